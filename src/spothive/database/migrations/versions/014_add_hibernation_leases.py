"""Who is putting a cluster to sleep or waking it, with whose approval, and what is in the way."""

from alembic import op

from spothive.database import guards
from spothive.database.migrations.upgrade import run_sql_file

revision = "014_add_hibernation_leases"
down_revision = "013_add_flagged_index"
branch_labels = None
depends_on = None

COLUMNS = ("lease_token", "leased_until", "request_id", "obstacle")
CHECKS = (
    "ck_hibernation_schedules_lease",
    "ck_hibernation_schedules_lease_token_uuid",
    "ck_hibernation_schedules_leased_until_utc",
    "ck_hibernation_schedules_request_id_uuid",
    "ck_hibernation_schedules_obstacle_length",
)


def upgrade() -> None:
    """Add the columns."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the columns."""
    if op.get_context().dialect.name == "postgresql":
        for column in COLUMNS:
            op.drop_column("hibernation_schedules", column)
        return
    # SQLite drops no column that a CHECK of the table still names, so there the table is made anew without both.
    with guards.lowered(op, "hibernation_schedules"), op.batch_alter_table("hibernation_schedules") as schedules:
        for check in CHECKS:
            schedules.drop_constraint(op.f(check), type_="check")
        for column in COLUMNS:
            schedules.drop_column(column)
