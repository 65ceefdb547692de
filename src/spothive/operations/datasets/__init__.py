"""Datasets that models are trained on, and the words and searches that lab experiments are found by."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
