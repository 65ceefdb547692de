"""Which pools an instance is compared with when nobody names any: what could do its work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from spothive.gateways.instance_types import INSTANCE_TYPES, REGIONS, architecture_of, series_of
from spothive.operations.decisions.pool_facts import KnownPool, Pool, RegionFacts

_LETTERS: Final = tuple("abcdef")
"""Of the zones of a region that is newer than the list of regions: AWS has none with more."""

_Kind: TypeAlias = tuple[str, str, str]


class Alike:
    """Groups the types of a region: of one series, size and processor architecture, as m5.large and m6i.large are."""

    def __init__(self, region: RegionFacts) -> None:
        """Know the types that AWS's lists name for this region, and those that are listed here."""
        self._types: dict[_Kind, set[str]] = defaultdict(set)
        for instance_type in {*region.on_demand, *region.advised, *INSTANCE_TYPES}:
            self._types[_kind(instance_type)].add(instance_type)

    def to(self, instance_type: str) -> set[str]:
        """Return the types that could do the work of this one, itself among them."""
        return self._types[_kind(instance_type)] | {instance_type}


def _kind(instance_type: str) -> _Kind:
    return series_of(instance_type), instance_type.rpartition(".")[2], architecture_of(instance_type)


def zones_of(region: str, others: Iterable[str]) -> set[str]:
    """Return the zones of a region, as far as they are known, and ``others``, in which somebody has an instance."""
    return {region + letter for letter in REGIONS.get(region, _LETTERS)} | set(others)


def candidates_for(
    here: Pool, types: Collection[str], zones: Iterable[str], known: Mapping[Pool, KnownPool], *, spot: bool
) -> list[KnownPool]:
    """Return the pools that an instance is compared with: those that ever had a spot price, by name.

    Args:
        here: where it is.
        types: types that could do its work.
        zones: zones of its region.
        known: what is known of each pool.
        spot: whether it is a spot instance; its own pool is none to go to then.
    """
    pools = (known[Pool(here.region, zone, type_)] for zone in sorted(zones) for type_ in sorted(types))
    return [each for each in pools if each.priced_at is not None and not (spot and each.pool == here)]


def named_candidates(
    here: Pool, named: Sequence[Pool], known: Mapping[Pool, KnownPool], *, spot: bool
) -> list[KnownPool]:
    """Return the pools that somebody named, apart from the one a spot instance is in."""
    return [known[pool] for pool in sorted(set(named)) if not (spot and pool == here)]
