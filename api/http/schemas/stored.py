"""Cases and histories that are kept."""

from __future__ import annotations

from pydantic import BaseModel, Field

from api.http import examples
from api.http.schemas.wire import Json, Told, example
from api.store.documents import StoredCase, StoredHistory


class CaseSummary(Told):
    """A stored case. `version` rises with every PUT; plans keep the version that they were made from."""

    id: str
    name: str
    version: int
    sha256: str = Field(description="Hash of the document with every default written out.")
    warnings: list[Json] = Field(description="Numbers that look wrong, each with where, found and why.")
    created: str
    updated: str
    model_config = example(
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
        """As the API tells it."""
        return cls.told(case, sha256=case.artifact)


class CasePage(BaseModel):
    """Newest first; `next` is the cursor of the next page, absent on the last."""

    items: list[CaseSummary]
    next: str | None = None
    model_config = example({"items": [], "next": None})


class HistorySummary(Told):
    """A stored history and the judgement on it."""

    id: str
    name: str
    sha256: str
    bytes: int
    timezone: str
    read: list[str] = Field(default=[], description="How its file is read: KEY=VALUE, as it was asked for.")
    created: str
    report: Json = Field(description="Quality report: gaps, duplicates, stuck sensors, outliers … of every series.")
    model_config = example(
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
        """As the API tells it."""
        return cls.told(history, sha256=history.artifact)


class HistoryPage(BaseModel):
    """Newest first; `next` is the cursor of the next page, absent on the last."""

    items: list[HistorySummary]
    next: str | None = None
    model_config = example({"items": [], "next": None})
