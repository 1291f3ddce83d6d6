"""The door to a loop of your own in NumPy.

The names are imported at once: a module here shares its name with the function that it defines.
"""

from odeopt.frameworks.numpy.in_place import in_place

__all__ = ["in_place"]
