"""Facts about EC2 instance types, regions and availability zones.

AWS describes an instance by the name of its type and of its zone; vCPUs, memory and region have to be known.
The facts are written as rules, because AWS builds its types by rules: a family has one ratio of memory to
vCPUs and climbs a ladder of sizes. Types that are missing here are still welcome everywhere: their vCPUs and
memory are just unknown.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Architecture = Literal["x86_64", "arm64"]


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One EC2 instance type, such as ``m5.large``, with its default number of vCPUs and its memory in MiB."""

    name: str
    family: str
    vcpus: int
    memory_mib: int
    architecture: Architecture


# A size is `name` where AWS's own arithmetic gives the vCPUs (4 for each "xlarge") and the family's ratio the
# memory; `name=vcpus` or `name=vcpus/GiB` where it does not.
_TO_16XL = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"
_TO_24XL = f"{_TO_16XL} 24xlarge"
_TO_32XL = f"{_TO_24XL} 32xlarge"
_METAL_48XL = "metal-24xl 48xlarge metal-48xl"
_BURSTABLE = "nano=2/0.5 micro=2/1 small=2/2 medium=2/4 large xlarge 2xlarge"
_ACCELERATED = "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"

# (sizes, {GiB of memory for each vCPU: families})
_Rule = tuple[str, dict[float, str]]

_X86_64: tuple[_Rule, ...] = (
    # Burstable
    ("nano=1/0.5 micro=1/1 small=1/2 medium=2/4 large xlarge 2xlarge", {4: "t2"}),
    (_BURSTABLE, {4: "t3 t3a"}),
    # Compute (2 GiB), general purpose (4 GiB) and memory (8 GiB), oldest first
    ("medium large xlarge 2xlarge", {3.75: "m3"}),
    ("large xlarge 2xlarge 4xlarge 8xlarge", {1.875: "c3"}),
    ("xlarge 2xlarge 4xlarge 8xlarge", {7.625: "r3 i2"}),
    ("large xlarge 2xlarge 4xlarge 8xlarge=36/60", {1.875: "c4"}),
    ("large xlarge 2xlarge 4xlarge 10xlarge 16xlarge", {4: "m4"}),
    ("large xlarge 2xlarge 4xlarge 8xlarge 16xlarge", {7.625: "r4"}),
    ("large xlarge 2xlarge 4xlarge 9xlarge 12xlarge 18xlarge 24xlarge metal=96", {2: "c5 c5d"}),
    ("large xlarge 2xlarge 4xlarge 9xlarge=36/96 18xlarge=72/192 metal=72/192", {2.625: "c5n"}),
    (_TO_24XL, {2: "c5a c5ad", 4: "m5a m5ad", 8: "r5a r5ad"}),
    (f"{_TO_24XL} metal=96", {4: "m5 m5d m5dn m5n", 8: "r5 r5b r5d r5dn r5n"}),
    ("large xlarge 2xlarge 3xlarge 6xlarge 12xlarge metal=48", {4: "m5zn", 8: "z1d"}),
    (f"{_TO_32XL} 48xlarge metal=192", {2: "c6a", 4: "m6a", 8: "r6a"}),
    (
        f"{_TO_32XL} metal=128",
        {2: "c6i c6id c6in", 4: "m6i m6id m6idn m6in", 8: "r6i r6id r6idn r6in i4i"},
    ),
    (f"medium {_TO_32XL} 48xlarge metal-48xl", {2: "c7a", 4: "m7a", 8: "r7a"}),
    (_TO_16XL, {2: "c7i-flex c8i-flex", 4: "m7i-flex m8i-flex", 8: "r8i-flex"}),
    (f"{_TO_24XL} {_METAL_48XL}", {2: "c7i", 4: "m7i", 8: "r7i i7i"}),
    (f"{_TO_16XL} metal-16xl 32xlarge metal-32xl", {8: "r7iz"}),
    (f"medium {_TO_24XL} {_METAL_48XL}", {2: "c8a", 4: "m8a", 8: "r8a"}),
    (f"{_TO_32XL} 48xlarge metal-48xl 96xlarge metal-96xl", {2: "c8i c8id", 4: "m8i m8id", 8: "r8i r8id"}),
    # Large memory
    ("16xlarge 32xlarge", {15.25: "x1"}),
    ("xlarge 2xlarge 4xlarge 8xlarge 16xlarge 32xlarge", {30.5: "x1e"}),
    ("16xlarge 24xlarge 32xlarge metal=128", {16: "x2idn"}),
    ("xlarge 2xlarge 4xlarge 8xlarge 16xlarge 24xlarge 32xlarge metal=128", {32: "x2iedn"}),
    ("2xlarge 4xlarge 6xlarge 8xlarge 12xlarge metal=48", {32: "x2iezn"}),
    # Local storage
    ("xlarge 2xlarge 4xlarge 8xlarge=36/244", {7.625: "d2"}),
    ("xlarge 2xlarge 4xlarge 8xlarge", {8: "d3"}),
    ("xlarge 2xlarge 4xlarge 6xlarge 8xlarge 12xlarge", {4: "d3en"}),
    ("2xlarge 4xlarge 8xlarge 16xlarge", {4: "h1"}),
    ("large xlarge 2xlarge 4xlarge 8xlarge 16xlarge metal=72/512", {7.625: "i3"}),
    ("large xlarge 2xlarge 3xlarge 6xlarge 12xlarge 24xlarge metal=96", {8: "i3en"}),
    (f"large xlarge 2xlarge 3xlarge 6xlarge 12xlarge 18xlarge 24xlarge {_METAL_48XL}", {8: "i7ie"}),
    # Accelerators
    ("xlarge 8xlarge 16xlarge=64/732", {15.25: "p2"}),
    ("2xlarge 8xlarge 16xlarge", {7.625: "p3"}),
    ("24xlarge", {8: "p3dn dl1", 12: "p4d p4de"}),
    ("48xlarge", {32 / 3: "p5 p5en"}),
    ("xlarge", {7.625: "g3s"}),
    ("4xlarge 8xlarge 16xlarge", {7.625: "g3"}),
    ("xlarge 2xlarge 4xlarge 8xlarge 16xlarge", {4: "g4ad"}),
    ("xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge metal=96", {4: "g4dn"}),
    (_ACCELERATED, {4: "g5 g6", 8: "g6e"}),
    ("4xlarge 8xlarge", {8: "gr6"}),
    ("xlarge 2xlarge 6xlarge 24xlarge", {2: "inf1"}),
    ("xlarge 8xlarge 24xlarge 48xlarge", {4: "inf2"}),
    ("2xlarge 32xlarge", {4: "trn1"}),
    ("32xlarge", {4: "trn1n"}),
    ("3xlarge 6xlarge 24xlarge", {2: "vt1"}),
    ("2xlarge 4xlarge 16xlarge", {15.25: "f1"}),
    ("6xlarge 12xlarge 48xlarge", {32 / 3: "f2"}),
)

_ARM64: tuple[_Rule, ...] = (
    (_BURSTABLE, {4: "t4g"}),
    ("medium large xlarge 2xlarge 4xlarge metal=16", {2: "a1"}),
    (f"medium {_TO_16XL}", {2: "c6gn"}),
    (
        f"medium {_TO_16XL} metal=64",
        {2: "c6g c6gd c7g c7gd c7gn", 4: "m6g m6gd m7g m7gd", 8: "r6g r6gd r7g r7gd", 16: "x2gd"},
    ),
    (f"medium {_TO_24XL} {_METAL_48XL}", {2: "c8g c8gd c8gn", 4: "m8g m8gd", 8: "r8g r8gd", 16: "x8g"}),
    ("large xlarge 2xlarge 4xlarge 8xlarge 16xlarge", {4: "im4gn", 8: "i4g"}),
    ("medium large xlarge 2xlarge 4xlarge 8xlarge", {6: "is4gen"}),
    (f"{_TO_24XL} metal-24xl 48xlarge", {8: "i8g"}),
    ("xlarge 2xlarge 4xlarge 8xlarge 16xlarge metal=64", {2: "g5g"}),
)

_VCPUS_OF_SMALL_SIZES = {"medium": 1, "large": 2, "xlarge": 4}
_MULTIPLE_OF_XLARGE = re.compile(r"(?:metal-)?([0-9]+)xl(?:arge)?")


def _vcpus_of(size: str) -> int:
    """Return the vCPUs AWS's naming gives a size: 4 for each xlarge, also in ``metal-24xl``."""
    multiple = _MULTIPLE_OF_XLARGE.fullmatch(size)
    return 4 * int(multiple[1]) if multiple else _VCPUS_OF_SMALL_SIZES[size]


def _expand(rules: tuple[_Rule, ...], architecture: Architecture) -> Iterator[InstanceType]:
    for sizes, families in rules:
        for gib_per_vcpu, names in families.items():
            for family in names.split():
                for entry in sizes.split():
                    size, _, figures = entry.partition("=")
                    vcpus_text, _, gib_text = figures.partition("/")
                    vcpus = int(vcpus_text) if vcpus_text else _vcpus_of(size)
                    gib = float(gib_text) if gib_text else vcpus * gib_per_vcpu
                    yield InstanceType(f"{family}.{size}", family, vcpus, round(gib * 1024), architecture)


INSTANCE_TYPES: Final[Mapping[str, InstanceType]] = MappingProxyType(
    {known.name: known for known in (*_expand(_X86_64, "x86_64"), *_expand(_ARM64, "arm64"))}
)
"""The instance types spothive knows, by name. A type that is absent is newer or rarer, not wrong."""


def family_of(instance_type: str) -> str:
    """Return the family in the name of any instance type, known or not: ``c6i`` for ``c6i.32xlarge``."""
    return instance_type.partition(".")[0]


_FAMILY = re.compile(r"(?P<series>[a-z]+)(?:-[0-9]+tb)?[0-9]*(?P<options>[a-z]*)")


def series_of(instance_type: str) -> str:
    """Return the series of any type's family, its letters before the generation: ``c`` for ``c6i.32xlarge``."""
    found = _FAMILY.match(instance_type)
    return found["series"] if found else family_of(instance_type)


def architecture_of(instance_type: str) -> Architecture:
    """Return the processors of any type: as listed, else by the name, where a ``g`` after the generation is Graviton.

    ``m9gd.large`` would be arm64, ``g6.xlarge`` is not: there the letter is the series.
    """
    known = INSTANCE_TYPES.get(instance_type)
    if known is not None:
        return known.architecture
    found = _FAMILY.match(instance_type)
    return "arm64" if found and found["options"].startswith("g") else "x86_64"


REGIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-3", "ap-south-1", "ap-south-2"),
                *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
                *(
                    "ap-southeast-6",
                    "ap-southeast-7",
                    "ca-west-1",
                    "eu-central-1",
                    "eu-central-2",
                    "eu-north-1",
                ),
                *("eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1"),
                *("me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-2", "us-west-1"),
            ),
            ("a", "b", "c"),
        ),
        **dict.fromkeys(("ap-northeast-1", "ap-northeast-2", "ca-central-1", "us-west-2"), ("a", "b", "c", "d")),
        "us-east-1": ("a", "b", "c", "d", "e", "f"),
    }
)
"""The public commercial AWS regions with the letters of their availability zones.

AWS hands out letters per account and retires zones, so an account may not see every letter listed here.
"""

# AWS opens regions more often than spothive is released, so a region is judged by AWS's naming and not by
# REGIONS: a geography (with the partition where it is not the commercial one), a direction, a number.
_REGION = (
    r"(?:af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov|us-iso[bf]?|eu-isoe|eusc-de)"
    r"-(?:north|south|east|west|central|northeast|northwest|southeast|southwest)"
    r"-[1-9]"
)
_REGION_NAME = re.compile(_REGION)
_ZONE_NAME = re.compile(
    rf"({_REGION})"
    r"(?:[a-z]"  # an availability zone: us-east-1c
    r"|-[a-z]{3,5}-[1-9][0-9]?[a-z]"  # a local zone: us-west-2-lax-1a
    r"|-wl[1-9][0-9]?-[a-z]{3}-wlz-[1-9][0-9]?)"  # a wavelength zone: us-east-1-wl1-bos-wlz-1
)


def is_region(name: str) -> bool:
    """Tell whether a name is a region of AWS: commercial, GovCloud, China, sovereign or isolated.

    Judged by AWS's naming, so that a region opened yesterday is accepted. The price is that a well-formed
    region which AWS never opened (``us-east-9``) is accepted too. Misspelt ones (``us-esat-1``,
    ``US-EAST-1``) are not.
    """
    return _REGION_NAME.fullmatch(name) is not None


_TYPE_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\.[a-z0-9][a-z0-9-]{0,30}")


def is_instance_type(name: str) -> bool:
    """Tell whether a name is written like an instance type, ``family.size``; AWS may add one any day."""
    return _TYPE_NAME.fullmatch(name) is not None


_SERIES = "|".join(
    sorted(
        {series_of(name) for name in INSTANCE_TYPES}
        # Those of which no type is listed above, oldest first.
        | {"cc", "cg", "cr", "hs", "u", "mac", "hpc"}
    )
)
_LONGEST_NAME = 32
_STRICT_NAME = re.compile(
    rf"(?:{_SERIES})(?:-[0-9]{{1,2}}tb)?[1-9]"  # m5, u-12tb1
    r"[agiq]?[bdefhnsuz]{0,3}"  # whose processor, then what else it has: c7gn, x2iedn, is4gen
    r"(?:-flex|-[0-9]{1,2}tb|-g?b[2-9]00|-m[1-9](?:pro|max|ultra)?)?"  # m7i-flex, u7i-12tb, p6-b200, mac2-m2pro
    r"\.(?:nano|micro|small|medium|large|(?:[1-9][0-9]{0,2})?xlarge|metal(?:-[1-9][0-9]{0,2}xl)?)"
)


def follows_naming(name: str) -> bool:
    """Tell whether a name is made as AWS makes those of instance types: a series it has, a generation, options, a size.

    Stricter than :func:`is_instance_type`, for where nothing else may pass: of a series that AWS opens tomorrow it
    knows nothing, and ``prod-db.alice`` is none.
    """
    return len(name) <= _LONGEST_NAME and _STRICT_NAME.fullmatch(name) is not None


def region_of_zone(zone: str) -> str | None:
    """Return the region an availability, local or wavelength zone lies in, or None for any other text."""
    match = _ZONE_NAME.fullmatch(zone)
    return match[1] if match else None
