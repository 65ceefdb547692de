"""Jobs of the optimiser, and the actions that agents in clusters do for them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
