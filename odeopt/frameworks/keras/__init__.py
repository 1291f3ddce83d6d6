"""The adapters for Keras 3, on its backends JAX and torch (extra `keras`).

The names are imported eagerly, because a module here has the same name as the function that it defines.
"""

try:
    import keras  # noqa: F401
except ImportError as error:
    reason = (
        "keras is needed here: install odeopt-toolkit[keras]"
        if error.name == "keras"
        else f"keras cannot load its backend, as {error.name} is not installed: set KERAS_BACKEND to jax or torch"
    )
    raise ImportError(reason) from error

from odeopt.frameworks.keras.from_keras import from_keras
from odeopt.frameworks.keras.problem import problem
from odeopt.frameworks.keras.schedule import from_schedule, schedule
from odeopt.frameworks.keras.soft_batch import soft_batch
from odeopt.frameworks.keras.to_keras import to_keras
from odeopt.frameworks.keras.trainer import Model, Sequential, SeveralGradients

__all__ = [
    "Model",
    "Sequential",
    "SeveralGradients",
    "from_keras",
    "from_schedule",
    "problem",
    "schedule",
    "soft_batch",
    "to_keras",
]
