"""Who wants to hear of what, and notices in the application."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "002_add_notification_preferences"
down_revision = "001_add_api_keys"
branch_labels = None
depends_on = None

TABLES = (
    "notification_preferences",
    "notices",
)


def upgrade() -> None:
    """Create the tables."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in TABLES:
        op.drop_table(table)
