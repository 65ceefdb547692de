"""The outbox of e-mail."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "003_add_email_logs"
down_revision = "002_add_notification_preferences"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("email_logs")
