"""What is wrong with a case: from pydantic's errors to faults with a place in the document."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from forecasts.fault import Fault

Location = tuple[str | int, ...]

_LONGEST_FOUND = 160


def pointer_of(location: Iterable[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of a location; the whole document is the empty string."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


@dataclass(frozen=True)
class CrossFault:
    """A fault between blocks, before it becomes a line of pydantic's error."""

    location: Location
    found: str
    allowed: str
    kind: str
    value: Any = None

    def details(self) -> InitErrorDetails:
        """As pydantic tells faults."""
        context = {"found": self.found, "allowed": self.allowed}
        error = PydanticCustomError(self.kind, "found {found}; allowed: {allowed}", context)
        return InitErrorDetails(type=error, loc=self.location, input=self.value)


def error_of(title: str, fields: ValidationError | None, crossing: Sequence[CrossFault]) -> ValidationError:
    """One pydantic error that holds the faults of single fields and those between blocks."""
    lines = [_again(line) for line in fields.errors(include_url=False)] if fields else []
    return ValidationError.from_exception_data(title, lines + [fault.details() for fault in crossing])


def _again(line: ErrorDetails) -> InitErrorDetails:
    context: dict[str, Any] = line.get("ctx", {})
    kind: Any = line["type"]
    if kind == "value_error":
        # pydantic wants the exception back, which is gone when the error came through JSON
        context = {"error": context.get("error", ValueError(line["msg"]))}
    return InitErrorDetails(type=kind, loc=line["loc"], input=line["input"], ctx=context)


def faults_of(
    error: ValidationError, document: Any, *, notes: Mapping[Location, str] | None = None, below: Location = ()
) -> list[Fault]:
    """Every fault of a pydantic error, one a place, in the order of the document's places.

    document: what was validated; pydantic's names for the branches of a union are no part of it and are left out.
    notes: where values came from, by the location of the block. below: leading parts of the error's locations that
    stand outside the document (a request's "body").
    """
    lines: dict[Location, list[ErrorDetails]] = {}
    for line in error.errors(include_url=False):
        loc = line["loc"][len(below) :] if line["loc"][: len(below)] == below else line["loc"]
        exact = "found" in line.get("ctx", {})  # a fault between blocks names its place in the document itself
        where = loc if exact else _in_document(loc, document, line["type"] == "missing")
        lines.setdefault(where, []).append(line)
    out = []
    for location, here in lines.items():
        deeper = any(len(other) > len(location) and other[: len(location)] == location for other in lines)
        kept = [line for line in here if not (deeper and line["type"].endswith("_type"))]
        if kept:
            out.append(_fault(location, kept, document, notes or {}))
    return out


def _below(value: Any, key: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, (list, tuple)) and isinstance(key, int) and 0 <= key < len(value):
        return value[key]
    if isinstance(value, BaseModel) and isinstance(key, str):
        return getattr(value, key, None)
    return None


def _in_document(loc: Location, document: Any, missing: bool) -> Location:
    out: list[str | int] = []
    for i, part in enumerate(loc):
        last = i == len(loc) - 1
        known = (
            (isinstance(document, Mapping) and part in document)
            or (isinstance(document, (list, tuple)) and isinstance(part, int))
            or (isinstance(document, BaseModel) and part in type(document).model_fields)
        )
        if known or (last and missing):
            out.append(part)
            document = _below(document, part)
    return tuple(out)


def _fault(location: Location, lines: Sequence[ErrorDetails], document: Any, notes: Mapping[Location, str]) -> Fault:
    note = next((notes[location[:n]] for n in range(len(location), 0, -1) if location[:n] in notes), "")
    found = list(dict.fromkeys(_found(location, line) for line in lines))
    allowed = list(dict.fromkeys(_allowed(location, line, document) for line in lines))
    if any(_looks_numeric(line) for line in lines):
        allowed[-1] += " (in decimal, such as 200, 0.5 or 2e7, and without quotes; this is text)"
    return Fault(pointer_of(location), "; ".join(found), " or ".join(allowed), lines[0]["type"], note)


def _looks_numeric(line: ErrorDetails) -> bool:
    """Whether a text stands where a number is wanted and begins as one: 0200, 1:30, 1_000, "5"."""
    number = line["type"] in ("float_type", "int_type")
    return number and isinstance(line["input"], str) and re.match(r"[-+]?\.?\d", line["input"]) is not None


def _found(location: Location, line: ErrorDetails) -> str:
    context = line.get("ctx", {})
    if "found" in context:
        return str(context["found"])
    if line["type"] == "missing":
        return "nothing"
    if line["type"] == "extra_forbidden":
        return f"the unknown field {location[-1] if location else ''}"
    if line["type"] == "value_error":
        return str(context.get("error", line["msg"])).split("; allowed: ")[0]
    return shown(line["input"])


def _allowed(location: Location, line: ErrorDetails, document: Any) -> str:
    context = line.get("ctx", {})
    kind = line["type"]
    if "allowed" in context:
        return str(context["allowed"])
    if kind == "extra_forbidden":
        fields = _fields_at(location[:-1], document)
        near = difflib.get_close_matches(str(location[-1]) if location else "", fields, 3, 0.5)
        return f"{' or '.join(near)}" if near else ", ".join(fields) or "no further field"
    if kind == "missing":
        return "this field must be given"
    if kind == "value_error":
        text = str(context.get("error", line["msg"]))
        return text.split("; allowed: ")[1] if "; allowed: " in text else "fields that fit together"
    if kind == "bool_type":
        return "true or false"
    text = re.sub(r"^(Input|Value|String|List|Dictionary|Number) should ", "", line["msg"])
    for long, short in (("be ", ""), ("greater than or equal to", "at least"), ("less than or equal to", "at most")):
        text = text.replace(long, short, 1)
    return text.replace("a valid ", "a ").split(", unable")[0]


def shown(value: Any) -> str:
    """A value as it is shown in a fault, shortened."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 1] + "…"


def _fields_at(location: Location, document: Any) -> list[str]:
    """Names of the fields that the block at a location may have."""
    from planner.case.case import Case  # here, because the case raises these faults

    blocks: list[type[BaseModel]] = [Case]
    for part in location:
        if isinstance(part, int):
            document = _below(document, part)
            continue
        annotations = [b.model_fields[part].annotation for b in blocks if part in b.model_fields]
        if annotations:
            blocks = [block for annotation in annotations for block in blocks_in(annotation)]
        document = _below(document, part)
    kind = _below(document, "kind")
    chosen = [b for b in blocks if "kind" in b.model_fields and b.model_fields["kind"].default == kind] or blocks
    return list(dict.fromkeys(name for block in chosen for name in block.model_fields))


def blocks_in(annotation: Any) -> list[type[BaseModel]]:
    """The block types that an annotation can hold, directly, in a list, in a dictionary or in a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, list, dict, tuple, Annotated):
        return [block for inner in get_args(annotation) for block in blocks_in(inner)]
    return []


def among(known: Iterable[str], wanted: str, what: str) -> str:
    """Which names are allowed: all of them while they are few, else the nearest."""
    names = sorted(set(known))
    if not names:
        return f"no {what} is defined"
    if len(names) <= 12:
        return f"one of {', '.join(names)}"
    near = difflib.get_close_matches(wanted, names, 3, 0.4) or names[:3]
    return f"one of {len(names)} {what}, such as {', '.join(near)}"


def periods_text(index: Iterable[Any]) -> str:
    """Period numbers in words: "period 2", "periods 0 to 3"."""
    numbers = [int(t) for t in index]
    if len(numbers) == 1:
        return f"period {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"periods {numbers[0]} to {numbers[-1]}"
    return f"periods {', '.join(map(str, numbers))}"
