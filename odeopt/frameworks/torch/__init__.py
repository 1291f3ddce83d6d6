"""The adapters for torch (extra `torch`).

The names are imported eagerly, because a module here has the same name as the function that it defines.
"""

from odeopt.frameworks.torch.from_torch import from_torch
from odeopt.frameworks.torch.monitor import Monitor
from odeopt.frameworks.torch.optimizer import to_torch
from odeopt.frameworks.torch.parameter_groups import parameter_groups, parameter_kinds
from odeopt.frameworks.torch.problem import problem
from odeopt.frameworks.torch.schedule import from_schedule, schedule
from odeopt.frameworks.torch.soft_batch import soft_batch

__all__ = [
    "Monitor",
    "from_schedule",
    "from_torch",
    "parameter_groups",
    "parameter_kinds",
    "problem",
    "schedule",
    "soft_batch",
    "to_torch",
]
