"""Adaptive integrators as Numba kernels."""
