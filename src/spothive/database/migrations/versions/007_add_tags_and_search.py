"""Tags on lab experiments, and saved searches."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "007_add_tags_and_search"
down_revision = "006_add_webhook_logs"
branch_labels = None
depends_on = None

TABLES = (
    "saved_searches",
    "experiment_tags",
    "tags",
)


def upgrade() -> None:
    """Create the tables."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in TABLES:
        op.drop_table(table)
