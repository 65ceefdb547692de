"""Clusters: what may be done with them, what their nodes may look like, and when they sleep."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
