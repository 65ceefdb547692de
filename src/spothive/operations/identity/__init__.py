"""Identity: who may do what, tenants, their people, and how people and programs sign in."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
