"""Named optimizers: each function returns an `Optimizer`, that is, a flow, a scheme and a step."""

import lazy_loader

from odeopt.optimizers import schedules as schedules
from odeopt.optimizers import starts as starts

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
