"""odeopt: optimizers as numerical integrators of the flows that they discretise.

The public names stand in `__init__.pyi`; what they name is imported when it is first used.
"""

from odeopt.util.door import door

__version__ = "0.1.0"
ROOMS = ("optimizers", "flows", "schemes", "problems", "noise", "analysis", "laws", "sweeps", "plots")
__getattr__, _, __all__ = door(__name__, __file__, rooms=ROOMS)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
