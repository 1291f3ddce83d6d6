"""NumPy's functions on the arrays of torch and JAX, so that one formula runs on all three."""
