"""The second factor, sessions, and the history of signing in."""

from alembic import op

from spothive.database import guards
from spothive.database.migrations.upgrade import run_sql_file

revision = "010_add_2fa_sessions"
down_revision = "009_add_xai_indexes"
branch_labels = None
depends_on = None

TABLES = (
    "session_logs",
    "backup_codes",
    "login_history",
)
COLUMNS = ("totp_secret", "totp_enabled", "totp_last_step")
CHECKS = (
    "ck_users_totp",
    "ck_users_totp_secret_sealed",
    "ck_users_totp_enabled_bool",
    "ck_users_totp_last_step_range",
)


def upgrade() -> None:
    """Create the tables, and the columns of users."""
    run_sql_file(op, __file__)


def downgrade() -> None:
    """Drop the tables and the columns."""
    for table in TABLES:
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        for column in COLUMNS:
            op.drop_column("users", column)
        return
    # SQLite drops no column that a CHECK of the table still names, so there the table is made anew without both.
    with guards.lowered(op, "users"), op.batch_alter_table("users") as users:
        for check in CHECKS:
            users.drop_constraint(op.f(check), type_="check")
        for column in COLUMNS:
            users.drop_column(column)
