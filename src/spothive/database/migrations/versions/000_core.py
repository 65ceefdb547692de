"""Tenants, users, accounts, instances, scans, clusters, models, prices, datasets, audit and system log."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "000_core"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "onboarding_requests",
    "scan_units",
    "scan_runs",
    "instances",
    "clusters",
    "accounts",
    "account_logs",
    "users",
    "datasets",
    "on_demand_prices",
    "ml_models",
    "audit_logs",
    "system_logs",
    "tenants",
)


def upgrade() -> None:
    """Create the tables and the reserved tenant ``platform``."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in TABLES:
        op.drop_table(table)
