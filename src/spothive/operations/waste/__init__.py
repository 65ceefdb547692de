"""Waste: finding what costs money while nothing uses it, and deleting what somebody approved."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
