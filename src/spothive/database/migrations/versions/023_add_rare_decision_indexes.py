"""Decisions that most are not like are found by an index: what was acted on, and what is no HOLD."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "023_add_rare_decision_indexes"
down_revision = "022_add_real_switches"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_experiment_logs_not_held", "experiment_logs")
    op.drop_index("ix_experiment_logs_acted", "experiment_logs")
