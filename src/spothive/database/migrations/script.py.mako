"""${message}."""

% if "sa." in (upgrades or "") + (downgrades or ""):
import sqlalchemy as sa
% endif
from alembic import op
% if imports:

${imports}
% endif

revision = "${up_revision}"
down_revision = ${'"%s"' % down_revision if down_revision else None}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Apply."""
% if upgrades:
    ${upgrades}
% endif


def downgrade() -> None:
    """Take back."""
% if downgrades:
    ${downgrades}
% endif
