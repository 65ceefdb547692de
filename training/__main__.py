"""``python -m training``: train the shipped model, write its file and its card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from training.card import write_card
from training.run import FULL, train

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "src" / "spothive" / "scoring" / "interruption_risk.onnx"
CARD = ROOT / "docs" / "model-card.md"


def main() -> None:
    """Train, write, say what came of it."""
    words = argparse.ArgumentParser(prog="make model", description=__doc__)
    words.add_argument("--check", action="store_true", help="write nothing; exit 1 if the files would change")
    wanted = words.parse_args()
    trained = train(FULL)
    card = write_card(trained)
    if wanted.check:
        same = MODEL.read_bytes() == trained.file and CARD.read_text(encoding="utf-8") == card
        sys.exit(None if same else "the model or its card is not what training gives: run make model")
    MODEL.write_bytes(trained.file)
    CARD.write_text(card, encoding="utf-8")
    sys.stdout.write(f"{MODEL.relative_to(ROOT)}: {len(trained.file)} bytes, SHA-256 {trained.sha256}\n")
    for name, figures in trained.figures.items():
        sys.stdout.write(f"{name:<40} " + "   ".join(f"{key} {value}" for key, value in figures.items()) + "\n")


if __name__ == "__main__":
    main()
