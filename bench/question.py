"""What a question is, and what an answer to it looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bench.measuring import Ratio

if TYPE_CHECKING:
    from bench.place import Place


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit for one figure; ``what`` says which figure, in a few words."""

    what: str
    sign: Literal[">=", "<="]
    limit: float

    def met_by(self, value: float) -> bool:
        """Tell whether ``value`` is within the limit."""
        return value >= self.limit if self.sign == ">=" else value <= self.limit

    def __str__(self) -> str:
        """Write the limit alone."""
        return f"{self.sign}{self.limit:g}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure, held against its goal.

    Attributes:
        goal: what it should be; None for a figure that is told and has no goal.
        what: which figure, in a few words.
        value: the median.
        low: the lowest of the repetitions, None where there is but one; ``high`` the highest.
        anyway: whether the goal is met even where ``value`` is not within its limit, as by another limit it names.
    """

    goal: Goal | None
    what: str
    value: float
    low: float | None = None
    high: float | None = None
    anyway: bool = False

    @property
    def ok(self) -> bool:
        """Whether the goal is met."""
        return self.goal is None or self.anyway or self.goal.met_by(self.value)


def held(goal: Goal, value: Ratio | float, *, anyway: bool = False) -> Finding:
    """Hold ``value`` against ``goal``."""
    if isinstance(value, Ratio):
        return Finding(goal, goal.what, value.value, value.low, value.high, anyway)
    return Finding(goal, goal.what, float(value), anyway=anyway)


def told(what: str, value: Ratio | float) -> Finding:
    """Tell a figure that has no goal."""
    if isinstance(value, Ratio):
        return Finding(None, what, value.value, value.low, value.high)
    return Finding(None, what, float(value))


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    Attributes:
        findings: all figures; the first one is the answer in short, and has a goal.
        detail: sizes, times and whatever else explains them; only what JSON knows.
    """

    findings: tuple[Finding, ...]
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether all goals are met."""
        return all(finding.ok for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the bench was asked for.

    Attributes:
        place: where databases come from.
        scale: part of the full sizes: 1 for the figures that count, less for a quick look.
        repeat: how often each thing is measured.
    """

    place: Place
    scale: float
    repeat: int

    def rows(self, full: int, least: int = 1) -> int:
        """Return how many rows there are, of ``full`` at scale 1."""
        return max(least, round(full * self.scale))

    def seconds(self, full: float, least: float = 0.2) -> float:
        """Return how long something is done, of ``full`` seconds at scale 1."""
        return max(least, full * self.scale)


@dataclass(frozen=True, slots=True)
class Question:
    """One line of the table of goals.

    Attributes:
        name: by which it is chosen, such as ``A1``.
        text: the question itself.
        measure: finds the answer.
    """

    name: str
    text: str
    measure: Callable[[Run], Answer]
