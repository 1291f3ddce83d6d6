"""Solutions of the flow: `solve`, `ivp` for a solver that you call yourself, and guarded methods for `solve_ivp`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
