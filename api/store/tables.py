"""The service's SQL tables. Summaries and states only: anything large is an artifact, named here by its hash.

Times are UTC milliseconds since 1970, so that both databases sort and compare them alike.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData()

cases = Table(
    "cases",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(400), nullable=False),
    Column("version", Integer, nullable=False),
    Column("artifact", String(64), nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("owner", String(40), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

histories = Table(
    "histories",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(400), nullable=False),
    Column("artifact", String(64), nullable=False),
    Column("format", String(10), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("mapping", JSON, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("report", JSON, nullable=False),
    Column("owner", String(40), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

# One accepted piece of work: a plan, a forecast, a comparison, a replay, a why-not question. `attempt` is the fencing
# token: only the attempt that the row names may add events or a result.
runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("name", String(400), nullable=False),
    Column("state", String(12), nullable=False),
    Column("wish", String(8), nullable=False),  # "", "stop" or "cancel"
    Column("request", JSON, nullable=False),
    Column("inputs", JSON, nullable=False),  # name → artifact, fixed when the run was accepted
    Column("attempt", Integer, nullable=False),
    Column("submission", Integer, nullable=False),
    Column("executor", String(120), nullable=False),
    Column("event_seq", Integer, nullable=False),
    Column("progress", JSON),
    Column("summary", JSON),
    Column("problem", JSON),
    Column("files", JSON),  # path in the result → {sha256, bytes}
    Column("owner", String(40), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("archived_ms", BigInteger),  # set: kept out of lists that do not ask for it
    Index("runs_by_kind", "kind", "created_ms", "id"),
    Index("runs_by_state", "state", "owner"),
)

events = Table(
    "events",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("data", JSON, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", String(40), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("resource", String(40), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(10), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
    Column("expires_ms", BigInteger),
    Column("used_ms", BigInteger),
    UniqueConstraint("sha256", name="api_keys_sha256"),
)

# Who did what to which content; rows are only ever added.
audit = Table(
    "audit",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("owner", String(40), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("hashes", JSON, nullable=False),  # name → SHA-256
    Index("audit_by_time", "at_ms"),
)

# Who proposed, approved or rejected which content of a plan. Triggers of both databases refuse every UPDATE and DELETE;
# `sha256` seals an entry together with the one before it (`api.store.signatures`).
signatures = Table(
    "signatures",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("id", String(40), nullable=False),
    Column("plan_id", String(40), nullable=False),
    Column("scope", String(400), nullable=False),
    Column("action", String(10), nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("comment", String(2000), nullable=False),
    Column("owner", String(40), nullable=False),
    Column("owner_name", String(200), nullable=False),
    Column("role", String(10), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    UniqueConstraint("id", name="signatures_id"),
    UniqueConstraint("previous", name="signatures_previous"),
)

# What became of plans of record: nothing is ever changed, a correction is an entry of its own.
actuals = Table(
    "actuals",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("scope", String(400), nullable=False),
    Column("kind", String(12), nullable=False),  # ordered, delivered, power_ready, demand
    Column("place", String(120), nullable=False),  # site; of demand: region, "" for all
    Column("what", String(120), nullable=False),  # module type; of demand: workload; of power: ""
    Column("day", String(10), nullable=False),  # YYYY-MM-DD; of demand: first day of its quarter
    Column("amount", Float, nullable=False),  # modules; MW; mean demand in the workload's unit
    Column("comment", String(2000), nullable=False),
    Column("owner", String(40), nullable=False),
    Column("owner_name", String(200), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("actuals_by_scope", "scope", "created_ms"),
)

workers = Table(
    "workers",
    metadata,
    Column("executor", String(120), primary_key=True),
    Column("heartbeat_ms", BigInteger, nullable=False),
    Column("claimed_by", String(120), nullable=False),
    Column("about", JSON, nullable=False),
)
