"""Adapters for torch, JAX, Keras and NumPy: optimizers in both directions, and problems.

No other package of odeopt imports them.
"""
