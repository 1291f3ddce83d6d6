"""What it costs to run and to compile a program: the constants of every choice of an engine."""

WIDEST = 64  # coordinates: beyond this NumPy's own loops cost less
FLOAT, ENTRY = 3e-8, 1e-9  # seconds per operation: a loop on floats, NumPy on many members
IMPORT, LOAD, COMPILE = 0.6, 0.05, 0.02  # seconds: Numba itself, a kernel from disk, an operation to compile
CALL, JIT = 5e-5, 0.4  # seconds: a gradient of JAX called step by step, a step that JAX compiles
