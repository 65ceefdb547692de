"""Scoring: what a model is told, what a model file must be, and loading and asking it. Knows no database."""

from pathlib import Path
from typing import Final

BASELINE_FILE: Final = Path(__file__).with_name("interruption_risk.onnx")
"""The model that ships with spothive. ``docs/model-card.md`` says how good it is, and at what."""
