"""Modified equations, high-resolution ODEs and memoryless limits as formulas (extra `symbolic`)."""

try:
    import sympy as _sympy  # noqa: F401
except ImportError as error:
    raise ImportError("sympy is needed here: install odeopt-toolkit[symbolic]") from error

from odeopt.symbolic.api import (
    HighResolution,
    ModifiedEquation,
    eliminate_velocity,
    memoryless_limit,
    modified_equation,
)
from odeopt.util.door import suggesting

__all__ = ["HighResolution", "ModifiedEquation", "eliminate_velocity", "memoryless_limit", "modified_equation"]

suggesting(__name__, __all__)
