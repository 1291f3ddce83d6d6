"""Discretisations: a scheme turns a flow and a step into an optimizer."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
