"""The group that the files of this package add their commands to."""

from __future__ import annotations

import typer

audit_commands = typer.Typer(rich_markup_mode=None)
