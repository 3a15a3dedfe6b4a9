"""One catalogue of words a language, and numbers and money as its readers write them.

Report, page, figures and command line take every sentence from here, so that a term has one translation. A message is
a template (`forecasts.words.note.filled`); a test holds that all catalogues have the same keys and placeholders.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from forecasts.words.note import Note, filled, said
from planner.case import Names

LANGUAGES = ("en", "zh-CN")


def language_of(tag: str | None) -> str:
    """The language of ours that fits a tag such as "zh", "zh_CN.UTF-8" or "en-GB"; English when none does."""
    head = (tag or "").replace("_", "-").split("-")[0].split(".")[0].lower()
    return "zh-CN" if head == "zh" else "en"


_NOISE = 1e-9
"""What is smaller is what sums of floats leave of nothing."""
Rounded = Literal["near", "down", "up"]


def _rounded(value: float, places: int, how: Rounded) -> float:
    """A number cut or raised at a decimal place; what only the last digits of a float miss counts as reached."""
    if how == "near":
        return round(value, places)
    whole = round(value * 10.0**places, 6)
    return (math.floor if how == "down" else math.ceil)(whole) / 10.0**places


@dataclass(frozen=True)
class Wording:
    """The words of one language. Calling it gives a message: `words("tile.gap.hint", bound="3.1 M CNY")`."""

    language: str
    messages: Mapping[str, str]

    def __call__(self, key: str, /, **values: object) -> str:
        """The message of a key with its placeholders filled. Raises KeyError for a key no catalogue has."""
        return filled(self.messages[key], values) if values else self.messages[key]

    def either(self, key: str, otherwise: str) -> str:
        """The message of a key, or the text itself where the word is the user's own (a tariff band, a day's label)."""
        return self.messages.get(key, otherwise)

    @property
    def chinese(self) -> bool:
        """Whether it is Chinese."""
        return self.language.startswith("zh")

    def noted(self, notes: Iterable[str]) -> list[str]:
        """Notes in this language."""
        return [said(note, self.language) for note in notes]

    def name(self, names: Names) -> str:
        """A thing's name in this language."""
        return names.text(self.language)

    def day(self, label: str) -> str:
        """The label of a typical day; one of the case's own stays as it is."""
        head, _, number = label.rpartition(" ")
        if number.isdigit():
            return f"{self.either('day.' + head.replace(' ', '_'), head)} {number}"
        return self.either("day." + label.replace(" ", "_"), label)

    def joined(self, words: list[str]) -> str:
        """A list in one line."""
        return ("、" if self.chinese else ", ").join(words)

    def labelled(self, label: str, unit: str) -> str:
        """An axis title or a column's heading: label and, where there is one, its unit."""
        if not unit:
            return label
        return f"{label}（{unit}）" if self.chinese else f"{label} ({unit})"

    def number(self, value: float, digits: int = 3, rounded: Rounded = "near") -> str:
        """At least `digits` significant figures, thousands apart; whole numbers from 1000 on; "–" when not finite.

        rounded: "down" for what is at least so much, "up" for what is at most, so that neither says too much.
        """
        if not math.isfinite(value):
            return "–"
        if abs(value) < _NOISE:
            return "0"
        places = digits - 1 - math.floor(math.log10(abs(value))) if abs(value) < 1000 else 0
        text = f"{_rounded(value, places, rounded):,.{max(places, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def ratio(self, value: float) -> str:
        """A build-ahead ratio, cut: what is below 1 is never said to be 1."""
        return f"{_rounded(value, 2, 'down'):.2f}"

    def percent(self, value: float, digits: int = 1, rounded: Rounded = "near") -> str:
        """A share as a percentage."""
        if not math.isfinite(value):
            return "–"
        text = f"{_rounded(100 * value, digits, rounded):.{digits}f}"
        return f"{text}%" if self.chinese else f"{text} %"

    def gap(self, value: float) -> str:
        """A gap to a proven bound: at most so much, everywhere with the same digits."""
        return self.percent(value, 2, "up")

    def money_unit(self, largest: float, currency: str) -> tuple[float, str]:
        """(divisor, unit) that suits amounts up to `largest`: bn, M and k in English, 亿 and 万 in Chinese."""
        steps = ((1e8, "亿"), (1e4, "万")) if self.chinese else ((1e9, "bn "), (1e6, "M "), (1e4, "k "))
        own = "元" if currency == "CNY" and self.chinese else currency
        for step, sign in steps:
            if abs(largest) >= step:
                divisor = 1e3 if sign == "k " else step
                return divisor, f"{sign}{own}"
        return 1.0, own

    def money(self, value: float, currency: str, digits: int = 3, rounded: Rounded = "near") -> str:
        """An amount with a readable unit and its currency."""
        if not math.isfinite(value):
            return "–"
        divisor, unit = self.money_unit(value, currency)
        gap = "" if self.chinese and not unit.isascii() else " "
        return f"{self.number(value / divisor, digits, rounded)}{gap}{unit}"

    def phase(self, name: str) -> str:
        """What a phase of a run (`Progress.phase`) is called."""
        hours = re.fullmatch(r"every hour: day (\d+) of (\d+)", name)
        if hours:
            return self("phase.every_hour", done=hours[1], days=hours[2])
        return self.either(f"phase.{name.replace(' ', '_')}", name)

    def sentence(self, text: str) -> str:
        """A text as it stands at the beginning of a sentence."""
        return text[:1].upper() + text[1:]

    def pflops(self, value: float) -> str:
        """Compute with a readable unit."""
        divisor, unit = compute_unit(value)
        return f"{self.number(value / divisor)} {unit}"


@dataclass(frozen=True)
class Message:
    """A sentence that is not said yet: a key and its values, which may be messages and names themselves."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)

    def said(self, words: Wording) -> str:
        """The message in a language."""

        def one(value: object) -> object:
            if isinstance(value, Message):
                return value.said(words)
            return words.name(value) if isinstance(value, Names) else value

        return words(self.key, **{name: one(value) for name, value in self.values.items()})


def message(key: str, /, **values: object) -> Message:
    """A message to be said in any language."""
    return Message(key, values)


def noted(key: str, /, **values: object) -> Note:
    """The message of a key as a note."""
    return Note(*(wording(language)(key, **values) for language in LANGUAGES))


def listed(parts: Sequence[Message]) -> Message:
    """Several messages, one after the other."""
    if not parts:
        return message("list.nothing")
    out = parts[0]
    for part in parts[1:]:
        out = message("list.more", before=out, next=part)
    return out


def compute_unit(largest: float) -> tuple[float, str]:
    """(divisor, unit) for compute given in PFLOPS."""
    return (1000.0, "EFLOPS") if abs(largest) >= 10_000 else (1.0, "PFLOPS")


@cache
def wording(tag: str | None = None) -> Wording:
    """The words for a language tag."""
    language = language_of(tag)
    text = (files("planner") / "words" / "i18n" / f"{language}.json").read_text("utf-8")
    messages: dict[str, Any] = json.loads(text)
    return Wording(language, {str(key): str(message) for key, message in messages.items()})
