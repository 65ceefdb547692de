"""Health: how the parts of spothive do."""

from spothive.operations.health.checking import PROBES, Component, check_component, check_health, unreachable
from spothive.operations.health.probes import Finding

__all__ = ["PROBES", "Component", "Finding", "check_component", "check_health", "unreachable"]
