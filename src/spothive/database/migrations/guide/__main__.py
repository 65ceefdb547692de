"""Write the reference pages into ``docs/`` of this checkout."""

from pathlib import Path

from spothive.database.migrations.guide import PAGES

DOCS = Path(__file__).parents[5] / "docs"


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
