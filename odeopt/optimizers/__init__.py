"""Named optimizers: each function returns an `Optimizer`, that is, a flow, a scheme and a step.

Arguments that are not given have the defaults of the library `like`; signatures show those.
"""

from odeopt.optimizers import schedules as schedules
from odeopt.optimizers import starts as starts
from odeopt.optimizers.signatures import ELSEWHERE, public
from odeopt.util.door import door

__getattr__, __dir__, __all__ = door(__name__, __file__, elsewhere=ELSEWHERE, wrap=public)
