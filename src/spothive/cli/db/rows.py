"""``spothive db``: the rows as a whole. These commands act as nobody: the URL is enough."""

from __future__ import annotations

from spothive.cli.call import Call, command
from spothive.cli.db.schema import commands


@command(commands, "seed")
def seed(call: Call) -> None:
    """Make the first user, admin, and the default dataset; once. Prints admin's password, this one time.

    With --json the password is in the field "password"; it is null when it was given in SPOTHIVE_ADMIN_PASSWORD.
    """
    from spothive.database.seed_data import ADMIN, seed_initial_data

    seeded = seed_initial_data()
    call.out.json(
        {
            "admin_created": seeded.admin_created,
            "username": ADMIN,
            "password": seeded.password,
            "dataset_created": seeded.dataset_created,
        }
    )
    if not seeded.admin_created and not seeded.dataset_created:
        call.out.line("nothing to seed")
    if seeded.admin_created:
        shown = (
            f"password, shown this once: {seeded.password}"
            if seeded.password
            else "password as in SPOTHIVE_ADMIN_PASSWORD"
        )
        call.out.line(f"made user {ADMIN}, {shown}")
    if seeded.dataset_created:
        call.out.line("made dataset default")
