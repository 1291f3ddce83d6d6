"""The data model of a flow: named variables, the parts that move them, and the operations of their formulas.

A flow is a sum of named parts.  The rest of the package is derived from those parts.
"""

from odeopt.core import decay, ops

__all__ = ["decay", "ops"]
