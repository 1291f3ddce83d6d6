"""odeopt: optimizers as numerical integrators of the flows that they discretise.

The public names stand in `__init__.pyi`; what they name is imported when it is first used.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
