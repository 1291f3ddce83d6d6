"""What follows from a scheme or an optimizer without running it on a problem."""

from odeopt.analysis.stability import amplification, real_stability_limit

__all__ = ["amplification", "real_stability_limit"]
