"""The group ``spothive decision``, whose commands several files declare."""

import typer

decision_commands = typer.Typer(rich_markup_mode=None)
