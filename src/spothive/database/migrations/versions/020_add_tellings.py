"""What a tenant was told of once, and two indexes that find whom something concerns that lasts."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "020_add_tellings"
down_revision = "019_add_webhook_rotation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the indexes."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_instances_live_spot", "instances")
    op.drop_index("ix_downtime_logs_lasting", "downtime_logs")
    op.drop_table("tellings")
