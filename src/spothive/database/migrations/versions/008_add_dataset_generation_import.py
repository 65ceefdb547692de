"""Jobs that generate and import datasets."""

from alembic import op

from spothive.database.migrations.upgrade import run_sql_file

revision = "008_add_dataset_generation_import"
down_revision = "007_add_tags_and_search"
branch_labels = None
depends_on = None

TABLES = (
    "dataset_imports",
    "dataset_generations",
)


def upgrade() -> None:
    """Create the tables."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in TABLES:
        op.drop_table(table)
