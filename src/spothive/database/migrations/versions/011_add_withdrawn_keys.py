"""The sealing keys that were withdrawn."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "011_add_withdrawn_keys"
down_revision = "010_add_2fa_sessions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the table; which keys were withdrawn is forgotten with it."""
    op.drop_table("withdrawn_keys")
