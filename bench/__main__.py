"""``python -m bench``: measure, print the tables, write the results.

Exit code 0 if every goal is met that was measured, 1 if one is missed at full size, 2 if something could not be
measured.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from bench.asking import ask
from bench.place import Unfit, open_place
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
    given_url = os.environ.pop("SPOTHIVE_BENCH_POSTGRES_URL", None)
    try:
        with open_place(WORK, given_url) as place:
            return ask([Run(place, scale, wanted.repeat) for scale in wanted.scale], wanted.only, RESULTS)
    except Unfit as why:
        print(f"error: SPOTHIVE_BENCH_POSTGRES_URL: {why}", file=sys.stderr)
        return 2


def _arguments() -> argparse.Namespace:
    words = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = ", ".join(question.name for question in QUESTIONS)
    words.add_argument("--only", type=_chosen, default=list(QUESTIONS), help=f"questions, such as A1,J1; of {names}")
    words.add_argument(
        "--scale",
        type=_scales,
        default=[1.0],
        help="part of the full sizes; 0.1 for a quick look, 0.02,0.2,1 to see how costs grow",
    )
    words.add_argument("--repeat", type=_repeat, default=3, help="rounds; fewer than 3 give no figures that count")
    return words.parse_args()


def _chosen(text: str) -> list[Question]:
    known = {question.name: question for question in QUESTIONS}
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"no question is called {', '.join(unknown) or text!r}: {', '.join(known)}")
    return [question for name, question in known.items() if name in names]


def _scales(text: str) -> list[float]:
    scales = [float(part) for part in text.split(",")]
    if not all(0 < scale <= MOST_SCALE for scale in scales):
        raise argparse.ArgumentTypeError(f"a scale lies between 0 and {MOST_SCALE:g}")
    return scales


def _repeat(text: str) -> int:
    repeat = int(text)
    if repeat < 1:
        raise argparse.ArgumentTypeError("there is one round at least")
    return repeat


if __name__ == "__main__":
    sys.exit(main())
