"""Actions whose agents have died are found by an index, however many have ended."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "017_add_action_lease_index"
down_revision = "016_add_retention_indexes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_agent_actions_leases", "agent_actions")
