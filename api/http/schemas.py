"""What goes over the wire. Times are RFC 3339 in UTC; units stand in the names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from api.http import examples
from api.jobs.kinds import KINDS
from api.jobs.text import refuse_unsayable
from api.store.documents import StoredCase, StoredHistory
from api.store.runs import Run

Json = dict[str, Any]
Name = Annotated[str, Field(max_length=400)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
_ID = r"^[a-z]+_[0-9a-f]{1,40}$"
ResourceId = Annotated[str, Field(pattern=_ID, max_length=40)]


def rfc3339(ms: int | None) -> str | None:
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _example(*values: Json) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(values)})


class Asked(BaseModel):
    """A request's body; text that cannot be kept is refused before anything else is looked at."""

    @model_validator(mode="before")
    @classmethod
    def _sayable(cls, value: Any) -> Any:
        refuse_unsayable(value)
        return value


class CaseSummary(BaseModel):
    """A stored case. `version` rises with every PUT; plans keep the version that they were made from."""

    id: str
    name: str
    version: int
    sha256: str = Field(description="Hash of the document with every default written out.")
    warnings: list[Json] = Field(description="Numbers that look wrong, each with where, found and why.")
    created: str
    updated: str
    model_config = _example(
        {
            "id": examples.CASE_ID,
            "name": "Two sites, one workload",
            "version": 1,
            "sha256": examples.SHA256,
            "warnings": [],
            "created": examples.TIME,
            "updated": examples.TIME,
        }
    )

    @classmethod
    def of(cls, case: StoredCase) -> CaseSummary:
        return cls(
            id=case.id,
            name=case.name,
            version=case.version,
            sha256=case.artifact,
            warnings=case.warnings,
            created=str(rfc3339(case.created_ms)),
            updated=str(rfc3339(case.updated_ms)),
        )


class CasePage(BaseModel):
    """Newest first; `next` is the cursor of the next page, absent on the last."""

    items: list[CaseSummary]
    next: str | None = None
    model_config = _example({"items": [], "next": None})


class HistorySummary(BaseModel):
    """A stored history and the judgement on it."""

    id: str
    name: str
    sha256: str
    bytes: int
    timezone: str
    read: list[str] = Field(default=[], description="How its file is read: KEY=VALUE, as it was asked for.")
    created: str
    report: Json = Field(description="Quality report: gaps, duplicates, stuck sensors, outliers … of every series.")
    model_config = _example(
        {
            "id": examples.HISTORY_ID,
            "name": "east.csv",
            "sha256": examples.SHA256,
            "bytes": 48211,
            "timezone": "Asia/Shanghai",
            "read": [],
            "created": examples.TIME,
            "report": {"first": "2026-09-01T00:00:00", "last": "2026-11-01T23:00:00", "hours": 1488, "series": []},
        }
    )

    @classmethod
    def of(cls, history: StoredHistory) -> HistorySummary:
        return cls(
            id=history.id,
            name=history.name,
            sha256=history.artifact,
            bytes=history.bytes,
            timezone=history.timezone,
            read=history.read,
            created=str(rfc3339(history.created_ms)),
            report=history.report,
        )


class HistoryPage(BaseModel):
    """Newest first; `next` is the cursor of the next page, absent on the last."""

    items: list[HistorySummary]
    next: str | None = None
    model_config = _example({"items": [], "next": None})


class LimitsRequest(BaseModel):
    """How long, how close and on what to solve. `threads` left out: as many as one solve may have here."""

    seconds: Annotated[float, Field(gt=0, le=7 * 86400, allow_inf_nan=False)] = 180.0
    gap: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.01
    seed: Seed = 1
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    route: Literal["auto", "one_piece", "relax_and_fix", "benders"] = "auto"
    model_config = _example({"seconds": 60, "gap": 0.01, "seed": 1, "route": "auto"})


class GrowthRequest(BaseModel):
    """What is believed about growth; what is left out takes the forecast's own default.

    `per_year`: median growth a year, 0.25 for +25 %. `sigma`: standard deviation of its yearly logarithm. `common`:
    share of that which all series have in common. `half_life_years`: how fast growth that only the history shows fades.
    `doubt`: standard deviation that no history takes away.
    """

    per_year: Annotated[float, Field(gt=-1, le=100, allow_inf_nan=False)] | None = None
    sigma: Annotated[float, Field(ge=0, lt=5, allow_inf_nan=False)] | None = None
    common: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    half_life_years: Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False)] | None = None
    doubt: Annotated[float, Field(ge=0, lt=5, allow_inf_nan=False)] | None = None
    model_config = _example({"per_year": 0.4, "sigma": 0.3, "half_life_years": 1.0, "doubt": 0.05})


class CeilingRequest(BaseModel):
    """Where a history shows what was served and demand may have been cut off: at one of a number in the series' unit, a
    series of capacity, or the hours in which a series of rejected or queued work is above 0. `series` is a name or
    pattern.
    """

    series: Annotated[str, Field(min_length=1, max_length=400)]
    value: Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)] | None = None
    capacity: Name | None = None
    unserved: Name | None = None
    model_config = _example({"series": "chat", "value": 11.0})

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [name for name in ("value", "capacity", "unserved") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"found {' and '.join(given) or 'none'}; allowed: one of value, capacity, unserved")
        return self


class ForecastOptions(Asked):
    """How the outlook is made from a history; what is left out takes the forecast's own default.

    `growth` holds for every workload that `growth_of` does not name. `ceilings` are named beside those of the case's
    `history_mapping`; demand above them is estimated.
    """

    seed: Seed | None = None
    futures: Annotated[int, Field(ge=1, le=200)] | None = None
    evaluation: Annotated[int, Field(ge=1, le=5000)] | None = None
    growth: GrowthRequest | None = None
    growth_of: Annotated[dict[str, GrowthRequest], Field(max_length=1000)] | None = None
    ceilings: Annotated[list[CeilingRequest], Field(max_length=1000)] | None = None
    model_config = _example({"seed": 1, "futures": 5, "growth": {"per_year": 0.4}})


class ForecastRequest(ForecastOptions):
    """An outlook from a stored history: over `weeks`, or over a case's horizon with its series mapped onto the case."""

    name: Name = ""
    history_id: ResourceId
    case_id: ResourceId | None = None
    weeks: Annotated[int, Field(ge=1, le=1040)] | None = Field(None, description="104 without a case.")
    backtest: bool = Field(
        True,
        description="Score forecasts made at earlier origins, a week and quarters ahead, against what came "
        "(`backtest.json`, `peaks.parquet`); it takes some times as long as the forecast itself.",
    )
    model_config = _example({"history_id": examples.HISTORY_ID, "weeks": 104, "seed": 1, "futures": 5})

    @model_validator(mode="after")
    def _one_span(self) -> ForecastRequest:
        if self.case_id is not None and self.weeks is not None:
            raise ValueError("found case_id and weeks; allowed: one of them, since the case's horizon sets the weeks")
        return self


class DemandRequest(Asked):
    """A stored case and a demand for it: a history, an outlook (a finished forecast), or the case's own."""

    name: Name = ""
    case_id: ResourceId
    history_id: ResourceId | None = None
    forecast_id: ResourceId | None = None
    limits: LimitsRequest = LimitsRequest()
    forecast: ForecastOptions = ForecastOptions()

    @model_validator(mode="after")
    def _one_demand(self) -> Self:
        if self.history_id is not None and self.forecast_id is not None:
            raise ValueError("found history_id and forecast_id; allowed: one of them, or neither")
        return self

    @field_validator("limits", "forecast", mode="before")
    @classmethod
    def _null_is_default(cls, value: object) -> object:
        return {} if value is None else value


class PlanRequest(DemandRequest):
    """A plan from a stored case and a demand: a history, an outlook (a finished forecast), or the case's own."""

    every_hour: bool = Field(
        True, description="With an outlook: dispatch every hour under the orders and add days that typical days missed."
    )
    model_config = _example({"name": "first look", "case_id": examples.CASE_ID, "limits": {"seconds": 60, "gap": 0.01}})


class SweepRequest(BaseModel):
    """A range of build-ahead ratios, each a scenario of its own: the frontier of idle cost against shortfall."""

    first: Annotated[float, Field(gt=0, le=10)]
    last: Annotated[float, Field(gt=0, le=10)]
    step: Annotated[float, Field(ge=0.01, le=5)] = 0.1
    model_config = _example({"first": 0.9, "last": 1.6, "step": 0.1})


class ComparisonRequest(DemandRequest):
    """Build-ahead scenarios on one case and demand. `limits` hold for each plan."""

    scenarios: Annotated[list[Json], Field(min_length=1, max_length=100)] | None = Field(
        None, description="Each with id, names, rule, levers, overrides and demand; the standard seven if left out."
    )
    sweep: SweepRequest | None = None
    evaluation_futures: Annotated[int, Field(ge=1, le=5000)] | None = Field(
        None, description="Futures that all scenarios are judged on; as many as the outlook has if left out."
    )
    budget_seconds: Annotated[float, Field(ge=1, le=86_400)] | None = Field(
        None,
        description="Of plans, dispatch and values of information together, in place of the seconds of `limits`: plans "
        "have three quarters at most, the rest takes what it needs.",
    )
    model_config = _example(
        {
            "name": "how far ahead",
            "case_id": examples.CASE_ID,
            "scenarios": [
                {"id": "jit", "names": {"en": "Just in time", "zh": "不超前"}, "rule": {"kind": "just_in_time"}},
                {"id": "ahead", "names": {"en": "Ahead", "zh": "适度超前"}, "rule": {"kind": "ratio", "ratio": 1.2}},
            ],
            "limits": {"seconds": 60, "gap": 0.01},
        }
    )


class WhyNotRequest(Asked):
    """Why not at least (or at most) so many modules of these orders, or departures? A field left out means any."""

    site: Name | None = None
    module_type: Name | None = None
    period: Annotated[int, Field(ge=0, le=1000)] | None = Field(None, description="By number; the first is 0.")
    sense: Literal["at_least", "at_most"] = "at_least"
    modules: Annotated[int, Field(ge=0, le=10**7)] = 1
    decision: Literal["orders", "departures"] = "orders"
    limits: LimitsRequest = LimitsRequest()
    model_config = _example({"site": "near", "module_type": "m128", "modules": 2, "limits": {"seconds": 60}})

    @field_validator("limits", mode="before")
    @classmethod
    def _null_is_default(cls, value: object) -> object:
        return {} if value is None else value


class SizingRequest(BaseModel):
    """What a language model is asked to serve, and within which latency (docs/sizing.md).

    cards: of the library, by id or name; empty: all of it. network_ms: what the way to the site takes of the first
    token. dispersion: variance over mean of arrivals within seconds.
    """

    model: Name
    input_tokens: Annotated[float, Field(gt=0, le=1e8)] = 2048
    output_tokens: Annotated[float, Field(gt=0, le=1e8)] = 512
    requests_per_s: Annotated[float, Field(gt=0, le=1e9)] = 10
    ttft_ms: Annotated[float, Field(gt=0, le=1e8)] = 2000
    tpot_ms: Annotated[float, Field(gt=0, le=1e8)] = 50
    percentile: Annotated[float, Field(ge=50, lt=100)] = 99
    cards: Annotated[list[Name], Field(max_length=100)] = []
    precision: Literal["bf16", "fp8", "fp4"] | None = None
    engine: Literal["trtllm", "vllm", "sglang"] | None = None
    cache_hit: Annotated[float, Field(ge=0, lt=1)] = 0
    input_cv: Annotated[float, Field(ge=0, le=5)] = 0
    output_cv: Annotated[float, Field(ge=0, le=5)] = 0
    dispersion: Annotated[float, Field(ge=1, le=10)] = 1
    network_ms: Annotated[float, Field(ge=0, le=1e8)] = 0
    price_per_card_hour: Annotated[dict[Name, Annotated[float, Field(ge=0, le=1e9)]], Field(max_length=100)] = {}
    pue: Annotated[float, Field(ge=1, le=3)] | None = None
    model_config = _example(
        {"model": "Llama-3.1-8B", "requests_per_s": 20, "cards": ["h200"], "price_per_card_hour": {"h200": 18}}
    )


class Sizing(BaseModel):
    """The cards that a model would need, by type, fewest first; and why other types will not do.

    needs: one a card type, with replicas, cards (low and high by the error that such estimates have shown, null: not
    known), latency, what binds, cost, energy, and the curve of one replica's load against latency.
    """

    model: str
    model_name: str
    load: Json
    promise: Json
    requests_per_s: float
    needs: list[Json]
    refused: list[Json]
    points_left_aside: list[str]
    facts: Json
    model_config = _example(
        {
            "model": "llama-3.1-8b",
            "model_name": "Llama-3.1-8B",
            "load": {"input_tokens": 2048, "output_tokens": 512},
            "promise": {"ttft_ms": 2000, "tpot_ms": 50, "percentile": 99},
            "requests_per_s": 20,
            "needs": [{"card": "h200", "cards": 2, "cards_low": 2, "cards_high": 3, "binds": "bandwidth"}],
            "refused": [{"card": "k100-ai", "reason": "tb_per_s, link_gb_per_s not known"}],
            "points_left_aside": [],
            "facts": {"source": "benchmarks/sizing.py", "date": "2026-11-28", "mark": "C"},
        }
    )


class SizingLibrary(BaseModel):
    """Models and cards that sizing knows; a number of a card that is null is not known. marks: docs/sizing.md."""

    models: list[Json]
    cards: list[Json]
    model_config = _example(
        {
            "models": [{"id": "llama-3.1-8b", "name": "Llama-3.1-8B", "billions": 8.0, "active": 8.0}],
            "cards": [{"id": "h200", "name": "NVIDIA H200 SXM", "memory_gib": 141, "marks": {"memory_gib": "F"}}],
        }
    )


class DemandChangeRequest(BaseModel):
    """Demand that differs from the plan's: `multiplier` on all of it, `growth` on its trend (0.5: half the growth)."""

    multiplier: Annotated[float, Field(ge=0, le=100)] = 1.0
    growth: Annotated[float, Field(ge=-2, le=5)] = 1.0
    model_config = _example({"multiplier": 1.2, "growth": 1.0})


class QuestionRequest(Asked):
    """A question that is answered by solving again.

    what_if: `levers`, `overrides` (a merge patch) and `demand` make another world. alternatives: plans within `epsilon`
    of the cost that differ most in each of `qualities`, `tries` solves each. sensitivity: one assumption at a time, all
    or those of `factors`. filling: modules avoided because work can wait. resilience: what surviving a lost site costs.
    `limits` hold for each solve.
    """

    kind: Literal["what_if", "alternatives", "sensitivity", "filling", "resilience"]
    levers: Annotated[list[Json], Field(max_length=50)] = []
    overrides: Json = {}
    demand: DemandChangeRequest = DemandChangeRequest()
    qualities: list[Literal["fewest_sites", "most_domestic", "least_carbon"]] = [
        "fewest_sites",
        "most_domestic",
        "least_carbon",
    ]
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.02
    tries: Annotated[int, Field(ge=1, le=20)] = 3
    factors: list[Name] | None = None
    limits: LimitsRequest = LimitsRequest()
    model_config = _example(
        {"kind": "what_if", "levers": [{"kind": "tariff", "factor": 1.2}], "limits": {"seconds": 60}}
    )


class Explanation(BaseModel):
    """Rows about a finished plan; they never change. note, note_zh: how they were found, where that has to be said."""

    plan_id: str
    rows: list[Json]
    note: str = ""
    note_zh: str = ""
    model_config = _example(
        {
            "plan_id": examples.PLAN_ID,
            "rows": [
                {
                    "family": "site_power",
                    "pointer": "/sites/0/power_mw",
                    "written": "[2.0, 3.0]",
                    "unit": "MW",
                    "step": 1.0,
                    "price": 3.1e6,
                    "less": 3.4e6,
                }
            ],
            "note": "What one unit more room is worth, the whole case planned again with the number changed:",
            "note_zh": "放宽一个单位的价值（改动该数值后整个算例重新求解）：",
        }
    )


class RunState(BaseModel):
    """Where a run stands. `progress` while it runs, `summary` when it is finished, `problem` when it failed."""

    id: str
    kind: str
    name: str
    state: Literal["queued", "running", "finished", "failed", "cancelled"]
    wish: Literal["", "stop", "cancel"] = Field(description="What was asked of a running run.")
    attempt: int = Field(description="How often the work was begun; above 1 after a crash.")
    request: Json
    progress: Json | None = None
    summary: Json | None = None
    problem: Json | None = None
    created: str
    started: str | None = None
    finished: str | None = None
    links: dict[str, str]
    model_config = _example(
        {
            "id": examples.PLAN_ID,
            "kind": "plan",
            "name": "first look",
            "state": "running",
            "wish": "",
            "attempt": 1,
            "request": {"case_id": examples.CASE_ID},
            "progress": examples.PROGRESS,
            "summary": None,
            "problem": None,
            "created": examples.TIME,
            "started": examples.TIME,
            "finished": None,
            "links": {
                "self": f"/v1/plans/{examples.PLAN_ID}",
                "events": f"/v1/plans/{examples.PLAN_ID}/events",
            },
        }
    )

    @classmethod
    def of(cls, run: Run) -> RunState:
        kind = KINDS[run.kind]
        here = f"{kind.base}/{run.id}"
        links = {"self": here, "events": f"{here}/events"}
        if run.state == "finished":
            links["result"] = f"{here}/result"
            links |= {"tables": f"{here}/tables"} if kind.tables else {}
            links |= {"report": f"{here}/report"} if kind.report else {}
            links |= {"workbook": f"{here}/workbook"} if kind.workbook else {}
        elif not run.is_final:
            links |= {"stop": f"{here}/stop", "cancel": f"{here}/cancel"}
        return cls(
            id=run.id,
            kind=run.kind,
            name=run.name,
            state=run.state,
            wish=run.wish,
            attempt=run.attempt,
            request=run.request.get("asked", {}),
            progress=run.progress,
            summary=run.summary,
            problem=run.problem,
            created=str(rfc3339(run.created_ms)),
            started=rfc3339(run.started_ms),
            finished=rfc3339(run.finished_ms),
            links=links,
        )


class RunPage(BaseModel):
    """Newest first; `next` is the cursor of the next page, absent on the last."""

    items: list[RunState]
    next: str | None = None
    model_config = _example({"items": [], "next": None})


class FileEntry(BaseModel):
    """A file of a result."""

    path: str
    sha256: str
    bytes: int
    href: str
    model_config = _example(
        {
            "path": "plan.json",
            "sha256": examples.SHA256,
            "bytes": 5120,
            "href": f"/v1/plans/{examples.PLAN_ID}/files/plan.json",
        }
    )


class RunResult(BaseModel):
    """The result of a finished run: it never changes."""

    id: str
    kind: str
    summary: Json
    inputs: dict[str, str] = Field(description="Hashes of what it was computed from.")
    files: list[FileEntry]
    model_config = _example(
        {
            "id": examples.PLAN_ID,
            "kind": "plan",
            "summary": {"objective": 1.284e9, "gap": 0.0039},
            "inputs": {"case": examples.SHA256},
            "files": [],
        }
    )


class TableEntry(BaseModel):
    """A table of a plan, with its columns and units, and where to get it."""

    name: str
    title: str = ""
    rows: int
    columns: list[Json]
    href: str
    model_config = _example(
        {
            "name": "orders",
            "title": "What to order, when and for where",
            "rows": 12,
            "columns": [{"name": "modules", "type": "integer", "unit": "modules", "description": "whole modules"}],
            "href": f"/v1/plans/{examples.PLAN_ID}/tables/orders",
        }
    )


class TableList(BaseModel):
    """Every table of a plan."""

    items: list[TableEntry]
    model_config = _example({"items": []})


class TableRows(BaseModel):
    """Rows of a table as lists in the order of the columns; `total` counts all rows, `next_offset` where to go on."""

    name: str
    columns: list[Json]
    rows: list[list[Any]]
    total: int
    next_offset: int | None = None
    model_config = _example(
        {
            "name": "orders",
            "columns": [
                {"name": "site", "type": "string", "unit": "", "description": "site"},
                {"name": "modules", "type": "integer", "unit": "modules", "description": "whole modules"},
            ],
            "rows": [["near", 4]],
            "total": 1,
            "next_offset": None,
        }
    )


class Health(BaseModel):
    """`ok`, or what is missing."""

    status: Literal["ok", "not ready"]
    version: str
    reasons: list[str] = []
    model_config = _example({"status": "ok", "version": "0.1.0", "reasons": []})
