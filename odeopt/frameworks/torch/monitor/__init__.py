"""A monitor of real training runs: what every step and every few steps say, against the optimizer's own limits."""

from odeopt.frameworks.torch.monitor.monitor import Monitor

__all__ = ["Monitor"]
