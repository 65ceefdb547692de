"""No two mails have one Message-ID, and what waits, is unread, or is deleted one day is found by an index."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "018_add_mail_keys"
down_revision = "017_add_action_lease_index"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Remove them."""
    op.drop_index("uq_email_logs_message_id", "email_logs")
    op.drop_index("ix_email_logs_tenant_id_user_id_created_at", "email_logs")
    op.drop_index("ix_email_digest_queue_tenant_id_created_at", "email_digest_queue")
    op.drop_index("ix_notices_tenant_id_created_at", "notices")
    op.drop_index("ix_notices_unread", "notices")
