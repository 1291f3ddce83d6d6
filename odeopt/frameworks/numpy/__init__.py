"""The adapter for your own training loop in NumPy.

The names are imported eagerly, because a module here has the same name as the function that it defines.
"""

from odeopt.frameworks.numpy.in_place import in_place

__all__ = ["in_place"]
