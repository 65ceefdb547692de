"""What was announced about an instance, and the pools of a type in a region, without reading them all."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "012_add_risk_indexes"
down_revision = "011_add_withdrawn_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes; the one of risk_sources replaces the one of its first column."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Put the former index back."""
    op.drop_index("ix_spot_pool_risks_region_instance_type", "spot_pool_risks")
    op.drop_index("ix_risk_sources_source_client_id_instance_id", "risk_sources")
    op.create_index("ix_risk_sources_source_client_id", "risk_sources", ["source_client_id"])
