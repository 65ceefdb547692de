"""The newest explanations of a method, without reading them all."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "009_add_xai_indexes"
down_revision = "008_add_dataset_generation_import"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_explanations_tenant_id_method_created_at", "explanations")
