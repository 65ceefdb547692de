"""The audit trail: writing it, in the transaction of the change it tells of, and proving it afterwards."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
