"""NumPy's functions on arrays of torch and JAX, so that one formula runs in all three libraries."""
