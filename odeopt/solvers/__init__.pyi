from .ending import Reason
from .guarded import GuardedBDF, GuardedDOP853, GuardedLSODA, GuardedRadau, GuardedRK23, GuardedRK45
from .ivp import IVP, ivp

__all__ = [
    "IVP",
    "GuardedBDF",
    "GuardedDOP853",
    "GuardedLSODA",
    "GuardedRK23",
    "GuardedRK45",
    "GuardedRadau",
    "Reason",
    "ivp",
]
