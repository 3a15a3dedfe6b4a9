"""Signing: a log that nobody can change, what became of plans of record, and how runs are kept in lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ADDED_ONLY = ("signatures", "actuals")


def upgrade() -> None:
    """Bring the schema up."""
    op.add_column("runs", sa.Column("tags", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("runs", sa.Column("archived_ms", sa.BigInteger))
    op.create_table(
        "signatures",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("plan_id", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(400), nullable=False),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("comment", sa.String(2000), nullable=False),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("owner_name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.UniqueConstraint("id", name="signatures_id"),
        sa.UniqueConstraint("previous", name="signatures_previous"),
    )
    op.create_table(
        "actuals",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("scope", sa.String(400), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("place", sa.String(120), nullable=False),
        sa.Column("what", sa.String(120), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("amount", sa.Float, nullable=False),
        sa.Column("comment", sa.String(2000), nullable=False),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("owner_name", sa.String(200), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("actuals_by_scope", "actuals", ["scope", "created_ms"])
    if op.get_bind().dialect.name == "postgresql":
        _refuse_on_postgresql()
    else:
        for table in _ADDED_ONLY:
            for change in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are only ever added'); END"
                )


def _refuse_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION tideplan_added_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME; END $$"
    )
    for table in _ADDED_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_added_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tideplan_added_only()"
        )


def downgrade() -> None:
    """There is no way back but the copy. Raises NotImplementedError."""
    raise NotImplementedError("restore the copy that was made before the upgrade")
