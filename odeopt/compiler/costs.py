"""Measured costs of running and compiling a program, from which an engine is chosen."""

WIDEST = 64  # coordinates of the largest program; NumPy's own loops are faster beyond it
FLOAT = 3e-8  # seconds per operation in a loop on floats
CALLED, ENTRY = 6e-7, 1e-9  # seconds per call of a NumPy function, and per member in the call
IMPORT, KERNEL, COMPILE = 0.6, 0.5, 0.02  # seconds to import Numba, to compile a kernel, and to compile one operation
CALL, JIT = 5e-5, 0.4  # seconds to call a gradient in JAX once, and to compile a step in JAX
