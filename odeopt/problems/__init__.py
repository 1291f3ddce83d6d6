"""Problems to minimise: `Problem` for your own functions, and ready-made problems with derivatives by hand."""

from odeopt.util.door import door
from odeopt.util.origin import repeatable

__getattr__, __dir__, __all__ = door(__name__, __file__, wrap=repeatable)
