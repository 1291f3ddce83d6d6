"""JAX and Keras read their settings when they are imported: `oracles` makes them before any test does."""

from support import oracles  # noqa: F401
