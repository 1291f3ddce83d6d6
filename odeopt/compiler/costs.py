"""What it costs to run and to compile a program: the constants of every choice of an engine."""

WIDEST = 64  # coordinates: beyond this NumPy's own loops cost less
FLOAT = 3e-8  # seconds for an operation in a loop on floats
CALLED, ENTRY = 6e-7, 1e-9  # seconds for an operation of NumPy, and for each member in it
IMPORT, KERNEL, COMPILE = 0.6, 0.5, 0.02  # seconds to import Numba, and to compile a kernel and each of its operations
CALL, JIT = 5e-5, 0.4  # seconds: a gradient of JAX called step by step, a step that JAX compiles
