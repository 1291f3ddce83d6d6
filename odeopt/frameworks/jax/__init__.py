"""The adapters for JAX and optax (extra `jax`).  Without optax, as with Keras on JAX, only `problem` is available.

The names are imported eagerly, because a module here has the same name as the function that it defines.
"""

from typing import Any

from odeopt.frameworks.jax.problem import problem

__all__ = ["from_optax", "from_schedule", "memory", "problem", "schedule", "soft_batch", "to_optax"]

try:
    import optax  # noqa: F401
except ImportError:

    def __getattr__(name: str) -> Any:
        if name in __all__:
            raise ImportError("jax and optax are needed here: install odeopt-toolkit[jax]")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

else:
    from odeopt.frameworks.jax.from_optax import from_optax
    from odeopt.frameworks.jax.optimizer import memory, to_optax
    from odeopt.frameworks.jax.schedule import from_schedule, schedule
    from odeopt.frameworks.jax.soft_batch import soft_batch
