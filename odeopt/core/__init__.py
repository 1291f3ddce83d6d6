"""What a flow is: named variables, parts that move them, and the elementary operations of their formulas.

A flow is a sum of named parts; everything else in the package is derived from them."""

from odeopt.core import decay, ops

__all__ = ["decay", "ops"]
