"""What prints a program as source text: a loop on floats, NumPy on blocks, a Numba kernel."""
