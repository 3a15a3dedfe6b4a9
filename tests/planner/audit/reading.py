"""Sentences read back: which message of the catalogue a text is, and the numbers that stand in it.

Nothing of what made a text is trusted, only its letters: a template becomes a pattern, its places become groups.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from string import Formatter

from planner.words.wording import wording

Groups = dict[str, str]


class UntracedError(AssertionError):
    """A number of a sentence that stands nowhere."""


@cache
def pattern(language: str, key: str) -> re.Pattern[str]:
    """The message of a key with a group for each of its places; a place that comes again holds the same text.

    Words for one and for more (`{n:hour|hours}`) are groups n__0, n__1 ... that `_spoken` takes away again.
    """
    out, seen = "", set()
    for at, (literal, name, spec, _) in enumerate(Formatter().parse(wording(language).messages[key])):
        out += re.escape(literal)
        if name and "|" in str(spec):
            out += f"(?P<{name}__{at}>{'|'.join(map(re.escape, str(spec).split('|')))})"
        elif name:
            out += f"(?P={name})" if name in seen else f"(?P<{name}>.*?)"
            seen.add(name)
    return re.compile(out)


def _spoken(language: str, key: str, groups: Groups) -> Groups | None:
    """The groups of a message without its words for one and for more; None where those do not fit the numbers."""
    parsed = list(Formatter().parse(wording(language).messages[key]))
    for form in [name for name in groups if "__" in name]:
        name, _, at = form.partition("__")
        one, _, more = str(parsed[int(at)][2]).partition("|")
        if groups.pop(form) != (one if groups[name] == "1" else more):
            return None
    return groups


def sentences(language: str, text: str, keys: tuple[str, ...], rest: str = " ") -> Iterator[tuple[str, Groups]]:
    """A text cut into messages of these keys, one after the other. Raises UntracedError for what is none of them."""
    found = _cut(language, text, keys, rest)
    if found is None:
        raise UntracedError(f"no known sentence: {text}")
    yield from found


def _cut(language: str, text: str, keys: tuple[str, ...], rest: str) -> list[tuple[str, Groups]] | None:
    if not text:
        return []
    for key in keys:
        own = pattern(language, key).pattern
        # up to what stands between two messages, else all that is left
        for match in (re.compile(own + re.escape(rest)).match(text), re.compile(own).fullmatch(text)):
            if match is None or not match.end():
                continue
            groups = _spoken(language, key, match.groupdict())
            tail = None if groups is None else _cut(language, text[match.end() :], keys, rest)
            if groups is not None and tail is not None:
                return [(key, groups), *tail]
    return None


NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_UNITS = {"bn": 1e9, "M": 1e6, "k": 1e3, "亿": 1e8, "万": 1e4}


def number(text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise UntracedError(f"no number: {text}")
    return float(text.replace(",", ""))


def _last_place(value: float, figures: int) -> float:
    """The unit of the last place in which a number of so many figures is written; whole numbers from 1000 on."""
    if value == 0:
        return 0.0
    return 1.0 if abs(value) >= 1000 else 10.0 ** (math.floor(math.log10(abs(value))) - figures + 1)


def same(text: str, value: float, *, figures: int = 3, unit: float = 1.0, rounded: str = "") -> None:
    """A number's text says a value. rounded: "down" or "up" where it may not lie on the other side of it."""
    shown, value = number(text), value / unit
    place = _last_place(value, figures)
    slip = 1e-9 * max(abs(value), 1.0)  # what sums of floats leave
    low, high = (-place / 2, place / 2) if not rounded else (-place, 0.0) if rounded == "down" else (0.0, place)
    if not low - slip <= shown - value <= high + slip:
        raise UntracedError(f"{text} is not {value:.9g} (x {unit:g}, {figures} figures {rounded})")


def same_percent(text: str, value: float, *, rounded: str = "") -> None:
    """A share in percent, rounded at the digits that are shown."""
    match = re.fullmatch(r"(-?[\d.]+) ?%", text)
    if match is None:
        raise UntracedError(f"no percentage: {text}")
    digits = len(match[1].partition(".")[2])
    place = 10.0**-digits
    low, high = (-place / 2, place / 2) if not rounded else (-place, 0.0) if rounded == "down" else (0.0, place)
    if not low - 1e-9 <= float(match[1]) - 100 * value <= high + 1e-9:
        raise UntracedError(f"{text} is not {100 * value:.9g} % {rounded}")


def same_money(text: str, value: float, currency: str, *, figures: int = 3, rounded: str = "") -> None:
    """An amount of money with its unit: "13.1 M CNY", "1.31 亿元"."""
    match = re.fullmatch(r"(-?[\d,.]+) ?(bn |M |k |亿|万)?(\w+)", text)
    if match is None or match[3] not in (currency, "元" if currency == "CNY" else currency):
        raise UntracedError(f"no money in {currency}: {text}")
    same(match[1], value, figures=figures, unit=_UNITS[(match[2] or "").strip()] if match[2] else 1.0, rounded=rounded)


def same_compute(text: str, pflops: float) -> None:
    match = re.fullmatch(r"([\d,.]+) (PFLOPS|EFLOPS)", text)
    if match is None:
        raise UntracedError(f"no compute: {text}")
    same(match[1], pflops, unit=1000.0 if match[2] == "EFLOPS" else 1.0)


def same_text(text: str, expected: str) -> None:
    if text != expected:
        raise UntracedError(f"{text!r} is not {expected!r}")


class Taken:
    """The groups of one sentence. At its end every one must have been looked at: `with Taken(groups) as said`."""

    def __init__(self, groups: Mapping[str, str]) -> None:
        self._left = dict(groups)

    def __getitem__(self, name: str) -> str:
        return self._left.pop(name)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def __enter__(self) -> Taken:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None and self._left:
            raise UntracedError(f"nobody traced {self._left}")


def altered(text: str) -> Iterator[str]:
    """The text with one digit run changed at a time, by three in its last digit."""
    for match in re.finditer(r"\d+", text):
        last = match.end() - 1
        yield f"{text[:last]}{(int(text[last]) + 3) % 10}{text[match.end() :]}"


def caught(check: Callable[[str], object], text: str) -> list[str]:
    """Alterations of a text that the check lets pass."""
    out = []
    for changed in altered(text):
        try:
            check(changed)
        except (UntracedError, LookupError, ValueError):
            continue
        out.append(changed)
    return out
