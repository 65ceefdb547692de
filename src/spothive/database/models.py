"""Every model and enum class, under the name services import them by."""

from spothive.models import *  # noqa: F403 - a re-export is all this file is
from spothive.models import __all__ as __all__  # noqa: PLC0414 - re-exported with it
