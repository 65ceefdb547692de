"""What the sweep tells Prometheus. Its labels are names of duties and of outcomes, never of tenants."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)

RUNS = Counter("spothive_sweep_runs", "Runs of a duty that ended so", ["duty", "outcome"])
SECONDS = Histogram("spothive_sweep_seconds", "Seconds a run of a duty took", ["duty"], buckets=_BUCKETS)
ITEMS = Counter("spothive_sweep_items", "Things a duty has done, by what they are", ["duty", "item"])
LEFT_OUT = Counter("spothive_sweep_failures", "Parts of a duty, as of a tenant, that could not be done", ["duty"])
