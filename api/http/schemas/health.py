"""Whether the service can work."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from api.http.schemas.wire import example


class Health(BaseModel):
    """`ok`, or what is missing."""

    status: Literal["ok", "not ready"]
    version: str
    reasons: list[str] = []
    model_config = example({"status": "ok", "version": "0.1.0", "reasons": []})
