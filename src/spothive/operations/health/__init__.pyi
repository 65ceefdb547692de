from .checking import PROBES, Component, check_component, check_health, unreachable
from .probes import Finding

__all__ = ["PROBES", "Component", "Finding", "check_component", "check_health", "unreachable"]
