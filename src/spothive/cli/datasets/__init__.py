"""``spothive dataset``, ``tag`` and ``search``."""

from spothive.cli.datasets import generating, importing  # noqa: F401 - they declare their commands
from spothive.cli.datasets.group import dataset_commands
from spothive.cli.datasets.searching import search_commands
from spothive.cli.datasets.tags import tag_commands

__all__ = ["dataset_commands", "search_commands", "tag_commands"]
