"""Solutions of the flow: `solve`, `ivp` for a solver that you call yourself, and guarded methods for `solve_ivp`."""

from odeopt.util.door import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
