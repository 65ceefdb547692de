"""Risk: what is known of the spot market and of interruptions, and the replicas that stand by for them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
