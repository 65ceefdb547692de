"""``python -m bench``: measure, print the tables, write the results.

Exit code 0 if every goal is met that was measured, 1 if one is missed at full size, 2 if something could not be
measured.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from bench.asking import ask
from bench.place import GIVEN, Unfit, open_place
from bench.question import Question, Run
from bench.questions import QUESTIONS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
WORK = ROOT / "var" / "bench"
"""On a disk, not in memory: what a sync costs is a part of what is measured."""

MOST_SCALE = 10.0


def main() -> int:
    """Do what the command line asks for; return the exit code."""
    wanted = _arguments()
    logging.basicConfig(level=logging.ERROR)  # that statements are slow here is what is looked for
    # Taken away again: to the commands that are measured it would be a setting nobody knows.
    given_url = os.environ.pop(GIVEN, None)
    with stopped_in_one_line(), open_place(WORK, given_url) as place:
        return ask([Run(place, scale, wanted.repeat) for scale in wanted.scale], wanted.only, RESULTS)


@contextmanager
def stopped_in_one_line() -> Iterator[None]:
    """End the process with a line and 2, 130 or 143 if the place is unfit, or somebody stops it; tidied in any case."""

    def stop(*_: object) -> NoReturn:
        print("stopped: nothing was written", file=sys.stderr)
        sys.exit(143)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except Unfit as why:
        print(f"error: {why}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        sys.exit(130)


def _arguments() -> argparse.Namespace:
    words = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = ", ".join(question.name for question in QUESTIONS)
    words.add_argument("--only", type=_chosen, default=list(QUESTIONS), help=f"questions, such as A1,J1; of {names}")
    words.add_argument(
        "--scale",
        type=scales,
        default=[1.0],
        help="part of the full sizes; 0.1 for a quick look, 0.02,0.2,1 to see how costs grow",
    )
    words.add_argument("--repeat", type=repeat, default=3, help="rounds; fewer than 3 give no figures that count")
    return words.parse_args()


def _chosen(text: str) -> list[Question]:
    known = {question.name: question for question in QUESTIONS}
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"no question is called {', '.join(unknown) or text!r}: {', '.join(known)}")
    return [question for name, question in known.items() if name in names]


def scales(text: str) -> list[float]:
    """Read numbers between 0 and 10, parted by commas; each counts once, and the largest is the last."""
    return sorted({scale(part) for part in text.split(",")})


def scale(text: str) -> float:
    """Read a number between 0 and 10."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= MOST_SCALE:
        raise argparse.ArgumentTypeError(f"a scale is a number above 0, {MOST_SCALE:g} at most; got {text!r}")
    return found


def repeat(text: str) -> int:
    """Read a number of rounds."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"rounds are counted: 1 or more; got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
