"""The flow itself: `solve`, `ivp` for a solver called by hand, and SciPy's methods with guards for `solve_ivp`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
