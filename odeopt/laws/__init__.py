"""What noise does in the long run: exact moments, densities, escape times."""

from odeopt.laws.moments import Moments, flow_moments, flow_stationary, moments, stationary

__all__ = ["Moments", "flow_moments", "flow_stationary", "moments", "stationary"]
