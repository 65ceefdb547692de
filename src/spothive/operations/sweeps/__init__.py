"""Sweeps: what has to be done again and again, each duty by one process at a time."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
