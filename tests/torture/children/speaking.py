"""How a child tells the test where it is."""

from __future__ import annotations

import os
import sys

PAUSE = 0.001
"""Seconds a step is held up, so that a kill finds the child at the step it was meant for."""


def ready() -> None:
    """Say that everything is loaded, and wait for the start."""
    os.write(1, b"r")
    sys.stdin.readline()


def step() -> None:
    """Say that one more step begins."""
    os.write(1, b".")


def done() -> None:
    """Say that the work is committed."""
    os.write(1, b"d")
