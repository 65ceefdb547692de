"""The instances that nobody answers for, without reading the whole fleet."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "013_add_flagged_index"
down_revision = "012_add_risk_indexes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_instances_flagged", "instances")
