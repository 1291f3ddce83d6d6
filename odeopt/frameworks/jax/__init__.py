"""The doors to JAX and optax (extra `jax`).

The names are imported at once: a module here shares its name with the function that it defines.
"""

from odeopt.frameworks.jax.from_optax import from_optax
from odeopt.frameworks.jax.optimizer import memory, to_optax
from odeopt.frameworks.jax.problem import problem
from odeopt.frameworks.jax.soft_batch import soft_batch

__all__ = ["from_optax", "memory", "problem", "soft_batch", "to_optax"]
