"""Problems to minimise: `Problem` for your own functions, and ready-made problems with derivatives by hand."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
