"""Plain documents in YAML or JSON: what a case, a list of scenarios or a patch is written in.

YAML is read as its version 1.2 has it, less what one reader takes for one number and another for another. Numbers are
decimal (`5`, `-0.5`, `2e7`); `0200`, `0o17`, `0x1f`, `1_000` and `1:30` are text, and a field that wants a number says
so. Truth values are `true` and `false`; `yes`, `no`, `on`, `off` are text, and so is a date.

Aliases are counted before anything is made of them: a few lines of aliases to aliases stand for billions of values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from forecasts.fault import Fault, FaultsError
from planner.case.fault import Location, pointer_of

LARGEST_MB = 64
"""A case with all its hourly demand written out has some 10 MB; tables beside it take more, and are read faster."""
MOST_ALIASED = 100_000
"""Values that all aliases of a document may stand for together."""
DEEPEST = 50
"""Levels of lists and mappings; a case has at most nine."""

_NULL = ("", "~", "null", "Null", "NULL")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_WHOLE = 18  # digits; more do not fit into 64 bits
_TAG = "tag:yaml.org,2002:"
PARSER: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class DocumentError(FaultsError):
    """A text that is no document; faults in the order in which they were met."""


def number_of(text: str) -> int | float | None:
    """The number that a text is, written in decimal; None for any other text."""
    if _WHOLE.fullmatch(text):
        return int(text) if len(text) <= _LONGEST_WHOLE else float(text)
    return float(text) if _DECIMAL.fullmatch(text) else None


def read_document(path: Path, what: str = "a document") -> Any:
    """What a .json, .yaml or .yml file says; `what` it should hold is told where it does not. Raises DocumentError."""
    kind = path.suffix.lower()
    if kind not in (".json", ".yaml", ".yml"):
        raise _refused(path.name, f"a file ending in {path.suffix or 'nothing'}", f"{what} in .json, .yaml or .yml")
    try:
        size = path.stat().st_size
        if size > LARGEST_MB * 2**20:
            allowed = f"at most {LARGEST_MB} MB; long lists may be CSV tables beside the file"
            raise _refused(path.name, f"{size / 2**20:.0f} MB", allowed)
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(path.name, f"bytes that are not UTF-8 (at byte {error.start})", "UTF-8 text") from error
    except OSError as error:
        raise _refused(path.name, f"no readable file ({error.strerror or error})", "a readable file") from error
    if not text.strip():
        raise _refused(path.name, "an empty file", what)
    return (read_json if kind == ".json" else read_yaml)(text, path.name)


def _refused(name: str, found: str, allowed: str, pointer: str = "") -> DocumentError:
    return DocumentError([Fault(pointer, found, allowed, "file", name)])


# --- JSON ------------------------------------------------------------------------------------------------------------


def read_json(text: str, name: str = "") -> Any:
    """What a JSON text says: every key once, at most DEEPEST levels. Raises DocumentError."""
    try:
        document = json.loads(text, object_pairs_hook=_every_key_once, parse_int=_whole_of)
    except (ValueError, RecursionError) as error:
        found = f"more than {DEEPEST} levels" if isinstance(error, RecursionError) else str(error)
        allowed = f"well-formed JSON, every key once, at most {DEEPEST} levels"
        raise _refused(name, f"text that cannot be read: {found}", allowed) from error
    _refuse_deep(document, name)
    return document


def _whole_of(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_WHOLE else float(digits)


def _every_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"the key {key} again")
        out[key] = value
    return out


def _refuse_deep(document: Any, name: str) -> None:
    level: list[tuple[Location, Any]] = [((), document)]
    for _ in range(DEEPEST + 1):
        level = [
            ((*at, key), inner)
            for at, value in level
            for key, inner in (
                value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            )
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise _refused(name, f"more than {DEEPEST} levels", f"at most {DEEPEST}", pointer_of(level[0][0][:4]))


# --- YAML ------------------------------------------------------------------------------------------------------------


def read_yaml(text: str, name: str = "") -> Any:
    """What a YAML text says: one document, every key once, few aliases, no tags. Raises DocumentError."""
    reader = _Reader(name)
    try:
        document = reader.read(yaml.parse(text, Loader=PARSER))
    except yaml.YAMLError as error:
        found = " ".join(str(error).split())
        raise _refused(name, f"text that cannot be read: {found}", "well-formed YAML") from error
    if reader.faults:
        raise DocumentError(reader.faults)
    return document


@dataclass
class _Open:
    """A list or mapping that has begun. size: values in it so far, what aliases stand for included."""

    value: Any
    anchor: str | None
    size: int = 1
    key: str | None = None
    lines: dict[str, int] = field(default_factory=dict)
    merged: list[dict[str, Any]] = field(default_factory=list)

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None


_MERGE = "\0<<"  # cannot be a key: YAML text holds no NUL


class _Reader:
    """Builds a document from events, one after the other, so that depth and aliases are met before they cost."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.aliased = 0
        self.document: Any = None

    def read(self, events: Iterator[Any]) -> Any:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise DocumentError([self._fault(event, "a second document", "one document in a file")])
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._begin(event)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._end(event)
        return self.document

    def _fault(self, event: Any, found: str, allowed: str) -> Fault:
        line = f"line {event.start_mark.line + 1}"
        keys = [one.key if isinstance(one.value, dict) else len(one.value) for one in self.stack]
        at = [key for key in keys if key is not None and key != _MERGE]
        return Fault(pointer_of(at), found, allowed, "file", f"{self.name} {line}".strip())

    def _alias(self, event: Any) -> None:
        anchor = event.anchor
        if any(one.anchor == anchor for one in self.stack):
            raise DocumentError([self._fault(event, f"*{anchor} inside what it stands for", "a value written out")])
        if anchor not in self.anchors:
            raise DocumentError([self._fault(event, f"*{anchor}, which nothing is named", "a name given before by &")])
        value, size = self.anchors[anchor]
        self.aliased += size
        if self.aliased > MOST_ALIASED:
            found = f"aliases that stand for {self.aliased:,} values by here"
            allowed = f"at most {MOST_ALIASED:,}; write the values out, or into a CSV table"
            raise DocumentError([self._fault(event, found, allowed)])
        self._put(event, value, size)

    def _scalar(self, event: Any) -> None:
        plain = not event.style and event.tag is None
        if event.tag not in (None, "!", f"{_TAG}str"):
            self._refuse_tag(event)
        if self.stack and self.stack[-1].wants_key:
            self._name(event, _MERGE if plain and event.value == "<<" else event.value)
            return
        value = _plain_value(event.value) if plain else event.value
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, 1)
        self._put(event, value, 1)

    def _refuse_tag(self, event: Any) -> None:
        tag = event.tag.replace(_TAG, "!!")
        self.faults.append(self._fault(event, f"the tag {tag}", "values without a tag"))

    def _name(self, event: Any, key: str) -> None:
        mapping = self.stack[-1]
        if key in mapping.lines and key != _MERGE:
            mapping.key = key
            found = f"the key {key} again (first in line {mapping.lines[key]})"
            self.faults.append(self._fault(event, found, "every key once"))
        mapping.key = key
        mapping.lines[key] = event.start_mark.line + 1

    def _begin(self, event: Any) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", f"{_TAG}{'map' if mapping else 'seq'}"):
            self._refuse_tag(event)
        if self.stack and self.stack[-1].wants_key:
            raise DocumentError([self._fault(event, "a list or a mapping as a key", "text as a key")])
        if len(self.stack) >= DEEPEST:
            raise DocumentError([self._fault(event, f"more than {DEEPEST} levels", f"at most {DEEPEST}")])
        self.stack.append(_Open({} if mapping else [], event.anchor))

    def _end(self, event: Any) -> None:
        done = self.stack.pop()
        for other in done.merged:  # the first of several wins, and what the mapping itself says wins over all
            for key, value in other.items():
                done.value.setdefault(key, value)
        if done.anchor is not None:
            self.anchors[done.anchor] = (done.value, done.size)
        self._put(event, done.value, done.size)

    def _put(self, event: Any, value: Any, size: int) -> None:
        if not self.stack:
            self.document = value
            return
        around = self.stack[-1]
        around.size += size
        if isinstance(around.value, list):
            around.value.append(value)
        elif around.key is None:
            if not isinstance(value, str):
                raise DocumentError([self._fault(event, "an alias as a key", "text as a key")])
            self._name(event, value)
        elif around.key == _MERGE:
            around.key = None
            parts = value if isinstance(value, list) else [value]
            if not all(isinstance(part, dict) for part in parts):
                self.faults.append(self._fault(event, "<< with what is no mapping", "a mapping, or a list of mappings"))
                return
            around.merged += parts
        else:
            around.value[around.key] = value
            around.key = None


def _plain_value(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    number = number_of(text)
    return text if number is None else number
