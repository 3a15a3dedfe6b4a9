"""Notes: sentences that are said in both languages where they are made, from one catalogue.

A note is the English sentence, which logs and JSON keep, and carries the Chinese one. Whoever shows notes to a reader
asks `said` for the reader's language.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, Self

LANGUAGES = ("en", "zh-CN")
PARTED = " | "
"""Parts the halves of a sentence: what was found, and what is allowed."""


class _Counting(Formatter):
    """`str.format`, in which `{n:hour|hours}` is the first word where n is one and the second where it is not."""

    def format_field(self, value: Any, format_spec: str) -> str:
        one, parted, more = format_spec.partition("|")
        if parted:
            return one if str(value) in ("1", "1.0") else more
        return str(super().format_field(value, format_spec))


def filled(template: str, values: Mapping[str, object]) -> str:
    """A template with its values, and its words for one or for more. Raises KeyError for a value that is not there."""
    return _Counting().vformat(template, (), values)


class Note(str):
    """The English sentence. chinese: the same in 简体中文."""

    chinese: str

    def __new__(cls, english: str, chinese: str) -> Self:
        """A note in both languages; it is its English."""
        made = super().__new__(cls, english)
        made.chinese = chinese
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # what copy and pickle make it from
        return str(self), self.chinese


def said(text: object, language: str) -> str:
    """A note in a language; any other text as it is."""
    return text.chinese if isinstance(text, Note) and language.startswith("zh") else str(text)


def note(key: str, package: str = "forecasts", /, **values: object) -> Note:
    """The sentence of a key of a package's catalogue with its values, which may be notes themselves.

    Raises KeyError for an unknown key.
    """
    return Note(*(_filled(catalogue(language, package)[key], language, values) for language in LANGUAGES))


def parted(key: str, package: str = "forecasts", /, **values: object) -> tuple[Note, Note]:
    """The two halves of a key's sentence: what was found, and what is allowed or usual. Raises as `note` does."""
    halves = [catalogue(language, package)[key].split(PARTED) for language in LANGUAGES]
    first, second = (
        Note(*(_filled(part, language, values) for part, language in zip(told, LANGUAGES, strict=True)))
        for told in zip(*halves, strict=True)
    )
    return first, second


def _filled(template: str, language: str, values: Mapping[str, object]) -> str:
    return filled(template, {name: said(v, language) if isinstance(v, str) else v for name, v in values.items()})


def listed(names: Sequence[str], most: int | None = None) -> Note:
    """Names one after the other; beyond `most` of them only how many more there are."""
    shown = names[:most]
    joined = Note(
        ", ".join(said(name, "en") for name in shown),
        "、".join(said(name, "zh-CN") for name in shown),
    )
    return note("and_more", names=joined, n=len(names) - len(shown)) if len(names) > len(shown) else joined


def run_on(remarks: Sequence[str]) -> Note:
    """Remarks one after the other; a semicolon parts those that do not end as sentences."""
    english, chinese = ([said(one, language) for one in remarks] for language in LANGUAGES)
    return Note("; ".join(english).replace(".; ", ". "), "；".join(chinese).replace("。；", "。"))


def packed(notes: Iterable[str]) -> list[Any]:
    """Notes as JSON types, for `unpacked`."""
    return [[str(one), one.chinese] if isinstance(one, Note) else one for one in notes]


def unpacked(stored: Iterable[Any]) -> tuple[str, ...]:
    """What `packed` made."""
    return tuple(one if isinstance(one, str) else Note(*one) for one in stored)


@cache
def catalogue(language: str, package: str = "forecasts") -> dict[str, str]:
    """Every sentence of a package in a language by its key, as templates of `filled`."""
    text = (files(package) / "words" / "i18n" / f"{language}.json").read_text("utf-8")
    return dict(json.loads(text))
