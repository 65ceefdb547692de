"""API keys, and what they were used for."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "001_add_api_keys"
down_revision = "000_core"
branch_labels = None
depends_on = None

TABLES = (
    "api_usage",
    "api_keys",
)


def upgrade() -> None:
    """Create the tables."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in TABLES:
        op.drop_table(table)
