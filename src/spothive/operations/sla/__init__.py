"""Service level: how long spothive itself kept a cluster down in a month, against what it may."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
