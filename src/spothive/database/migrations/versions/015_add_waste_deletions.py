"""Since when something is unused and claimed to be waste, when its deletion began, and an account's scans by time."""

from alembic import op

from spothive.database import guards
from spothive.database.migrations.upgrade import run_sql_file

revision = "015_add_waste_deletions"
down_revision = "014_add_hibernation_leases"
branch_labels = None
depends_on = None

COLUMNS = ("claimed_since", "deletion_begun_at", "unused_since")
CHECKS = (
    "ck_waste_resources_begun",
    "ck_waste_resources_claimed_since_utc",
    "ck_waste_resources_deletion_begun_at_utc",
    "ck_waste_resources_unused_since_utc",
)


def upgrade() -> None:
    """Add the columns, and make the indexes; the one of scan_runs replaces the one of its first columns."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Put the former index back, and drop the columns."""
    for columns in ("detected_at", "resource_id", "account_id_deletion_begun_at"):
        op.drop_index(f"ix_waste_resources_tenant_id_{columns}", "waste_resources")
    op.create_index("ix_scan_runs_tenant_id_account_id", "scan_runs", ["tenant_id", "account_id"])
    op.drop_index("ix_scan_runs_tenant_id_account_id_kind_started_at", "scan_runs")
    # The guards of these columns stand no longer than the columns; SQLite needs the table made anew without the CHECKs.
    with guards.lowered(op, "waste_resources"):
        if op.get_context().dialect.name == "postgresql":
            for column in COLUMNS:
                op.drop_column("waste_resources", column)
            return
        with op.batch_alter_table("waste_resources") as waste:
            for check in CHECKS:
                waste.drop_constraint(op.f(check), type_="check")
            for column in COLUMNS:
                waste.drop_column(column)
