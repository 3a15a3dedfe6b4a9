"""What every body shares: names, identifiers, times, examples, text that can be kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.jobs.text import refuse_unsayable

Json = dict[str, Any]


Name = Annotated[str, Field(max_length=400)]


Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


_ID = r"^[a-z]+_[0-9a-f]{1,40}$"


ResourceId = Annotated[str, Field(pattern=_ID, max_length=40)]


def rfc3339(ms: int | None) -> str | None:
    """A moment in milliseconds since 1970 as RFC 3339 in UTC."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Told(BaseModel):
    """What the API tells of something that is stored."""

    @classmethod
    def told(cls, stored: object, **more: object) -> Self:
        """The fields that it has by the same names, moments (`created` of `created_ms`) as RFC 3339; and `more`."""
        found: dict[str, object] = {}
        for name in cls.model_fields.keys() - more.keys():
            if hasattr(stored, name):
                found[name] = getattr(stored, name)
            elif hasattr(stored, f"{name}_ms"):
                found[name] = rfc3339(getattr(stored, f"{name}_ms"))
        return cls(**found, **more)


def example(*values: Json) -> ConfigDict:
    """A model's settings, with examples for the documentation."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(values)})


class Asked(BaseModel):
    """A request's body; text that cannot be kept is refused before anything else is looked at."""

    @model_validator(mode="before")
    @classmethod
    def _sayable(cls, value: Any) -> Any:
        refuse_unsayable(value)
        return value
