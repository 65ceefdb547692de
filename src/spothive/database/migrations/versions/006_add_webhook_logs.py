"""The outbox of webhooks."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "006_add_webhook_logs"
down_revision = "005_add_webhook_configurations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("webhook_logs")
