"""What waits for the next digest."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "004_add_email_digest_queue"
down_revision = "003_add_email_logs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("email_digest_queue")
