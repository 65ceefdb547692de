"""What was kept long enough is found by an index: sessions that were ended, and what was seen of each region."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "016_add_retention_indexes"
down_revision = "015_add_waste_deletions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_session_logs_ended", "session_logs")
    op.drop_index("ix_scan_units_tenant_id_updated_at", "scan_units")
