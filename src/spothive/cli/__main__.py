"""``python -m spothive.cli`` is ``spothive``, for a machine that has the package but not the command."""

from spothive.cli import main

if __name__ == "__main__":
    main()
