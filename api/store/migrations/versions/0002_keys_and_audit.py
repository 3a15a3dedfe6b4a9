"""Keys that expire and know when they were last used; who did what to which hash."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.add_column("api_keys", sa.Column("expires_ms", sa.BigInteger))
    op.add_column("api_keys", sa.Column("used_ms", sa.BigInteger))
    op.create_table(
        "audit",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("hashes", sa.JSON, nullable=False),
    )
    op.create_index("audit_by_time", "audit", ["at_ms"])


def downgrade() -> None:
    """There is no way back but the copy. Raises NotImplementedError."""
    raise NotImplementedError("restore the copy that was made before the upgrade")
