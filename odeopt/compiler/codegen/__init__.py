"""Source text of a program: a loop on floats, NumPy on blocks, a Numba kernel."""
