"""Decisions: the registry of models, the lab, deciding about instances, and what decisions came to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
