"""Every table that no later revision brings, and the reserved tenant ``platform``."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "000_core"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "explanations",
    "hibernation_overrides",
    "experiment_logs",
    "approval_requests",
    "agent_actions",
    "waste_resources",
    "scan_units",
    "optimization_jobs",
    "instances",
    "hibernation_schedules",
    "cluster_policies",
    "scan_runs",
    "onboarding_requests",
    "decision_rollups",
    "clusters",
    "user_tokens",
    "node_templates",
    "accounts",
    "users",
    "lab_experiments",
    "invitations",
    "downtime_logs",
    "datasets",
    "tenants",
    "system_logs",
    "sweep_leases",
    "spot_prices",
    "spot_pool_risks",
    "spot_advisor_ratings",
    "rollup_watermarks",
    "risk_sources",
    "on_demand_prices",
    "ml_models",
    "global_risk_events",
    "component_health",
    "audit_seals",
    "audit_logs",
    "account_logs",
)


def upgrade() -> None:
    """Create the tables and the reserved tenant ``platform``."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in TABLES:
        op.drop_table(table)
