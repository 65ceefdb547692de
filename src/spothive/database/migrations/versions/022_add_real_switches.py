"""Roll-ups of decisions say how many switches were no shadow runs."""

from alembic import op

from spothive.database import guards
from spothive.database.migrations.upgrade import run_sql_file

revision = "022_add_real_switches"
down_revision = "020_add_tellings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and fill it: from what a roll-up says, or where that does not tell, from its decisions."""
    if op.get_context().dialect.name == "sqlite":  # no row hides from its owner, and no guard is in the way
        run_sql_file(op, __file__)
        return
    with guards.lowered(op, "decision_rollups", "experiment_logs"):
        run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the column."""
    with guards.lowered(op, "decision_rollups"):
        if op.get_context().dialect.name == "postgresql":
            op.drop_column("decision_rollups", "real_switches")  # its CHECKs go with it
            return
        with op.batch_alter_table("decision_rollups") as batch:
            for check in ("real", "real_switches_range"):
                batch.drop_constraint(op.f(f"ck_decision_rollups_{check}"), type_="check")
            batch.drop_column("real_switches")
