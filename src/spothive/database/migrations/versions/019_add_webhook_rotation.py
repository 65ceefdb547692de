"""Webhooks: the secret of before a rotation, what fails is off, and deliveries asked for anew."""

from alembic import op

from spothive.database import guards
from spothive.database.migrations.upgrade import run_sql_file

revision = "019_add_webhook_rotation"
down_revision = "018_add_mail_keys"
branch_labels = None
depends_on = None

ADDED = {
    "webhook_configurations": (
        ("previous_secret", "previous_until"),
        ("failing", "previous_secret_sealed", "previous_until_utc", "rotated"),
    ),
    "webhook_logs": (("earlier_attempts",), ("earlier", "earlier_attempts_range")),
}
"""Table to its new columns and the CHECKs that name them, or came with them."""


def upgrade() -> None:
    """Add the columns; the index by webhook replaces the one by time alone."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Put the former index back, and drop the columns."""
    op.drop_index("ix_webhook_logs_due", "webhook_logs")
    op.execute(
        "CREATE INDEX ix_webhook_logs_waiting ON webhook_logs (tenant_id, next_attempt_at) WHERE status = 'pending'"
    )
    for table, (columns, checks) in ADDED.items():
        with guards.lowered(op, table):
            _drop(table, columns, checks)


def _drop(table: str, columns: tuple[str, ...], checks: tuple[str, ...]) -> None:
    if op.get_context().dialect.name == "postgresql":
        for column in columns:  # a CHECK goes with any of its columns, but for that of what fails
            op.drop_column(table, column)
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS ck_{table}_failing")
        return
    # SQLite drops no column that a CHECK of the table still names, so there the table is made anew without both.
    with op.batch_alter_table(table) as batch:
        for check in checks:
            batch.drop_constraint(op.f(f"ck_{table}_{check}"), type_="check")
        for column in columns:
            batch.drop_column(column)
