"""Discretisations: a scheme turns a flow and a step into an optimizer."""

from odeopt.util.door import door, explaining

__getattr__, __dir__, __all__ = door(__name__, __file__, wrap=explaining)
