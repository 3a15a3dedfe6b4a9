"""What a figure's JSON says: its arrays decoded, its hover templates filled, texts measured."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from planner.arrays import FloatArray
from planner.words.wording import Wording

_FIELD = re.compile(r"%\{([a-z]+)(?:\[(\d+)\])?(?::([^}]*))?\}")
_EXTRA = re.compile(r"<extra>(.*?)</extra>")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def array(value: Any) -> list[Any]:
    """A figure's array as a list; Plotly 6 writes numbers as base64 of a typed array, which may have two dimensions."""
    if isinstance(value, Mapping) and "bdata" in value:
        flat = np.frombuffer(base64.b64decode(value["bdata"]), dtype=np.dtype(str(value["dtype"])))
        shape = [int(n) for n in str(value.get("shape", len(flat))).split(",")]
        return list(flat.reshape(shape).tolist())
    return [] if value is None else list(value)


def number(value: Any) -> float:
    """A number; NaN for none."""
    return float("nan") if value is None else float(value)


def is_date(value: Any) -> bool:
    """Whether it is a day, written out."""
    return isinstance(value, str) and _DAY.match(value) is not None


def days(value: str) -> float:
    """Days since 1970 of a date or a date with a time."""
    return float(np.datetime64(value.replace(" ", "T"), "m").astype(np.int64)) / 1440


def hover_text(template: str, values: Mapping[str, Any], words: Wording) -> tuple[str, str | None]:
    """(text, name) of a hover template; the name is None unless the template gives one, "" where it takes it away."""

    def filled(found: re.Match[str]) -> str:
        value = values[found[1]]
        if found[2] is not None:
            value = value[int(found[2])]
        return _formatted(value, found[3], words)

    extra = _EXTRA.search(template)
    text = _FIELD.sub(filled, _EXTRA.sub("", template)).replace("<br>", "\n")
    return text, None if extra is None else extra[1]


def _formatted(value: Any, spec: str | None, words: Wording) -> str:
    """d3's formats as far as the figures use them: `,.4~g` by the rule of all numbers, `.2f` with fixed places."""
    if not isinstance(value, int | float):
        return str(value)
    if not spec:
        return words.number(float(value), 4)
    digits = int(spec[spec.index(".") + 1])
    sign = "+" if spec[0] == "+" and value > 0 else ""
    return f"{value:.{digits}f}" if spec.endswith("f") else sign + words.number(float(value), digits)


def text_width(text: str, size: float) -> float:
    """Roughly how many pixels a text takes at a font size, by a wide font's letters: CJK is as wide as high."""
    return size * sum(
        1.0 if ord(c) > 0x2E7F else 0.36 if c in " .,:;ilj'|()" else 0.92 if c in "mwMW" else 0.65 for c in text
    )


def wrapped(text: str, width: float, size: float, most: int = 2) -> list[str]:
    """A text in lines of at most `width` pixels; what does not fit into `most` lines ends with an ellipsis."""
    if text_width(text, size) <= width:
        return [text]
    cjk = any(ord(c) > 0x2E7F for c in text)
    words = list(text) if cjk else text.split(" ")
    lines = [""]
    for word in words:
        longer = lines[-1] + word if cjk or not lines[-1] else f"{lines[-1]} {word}"
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    if len(lines) > most:
        lines = [*lines[: most - 1], "".join(lines[most - 1 :]) if cjk else " ".join(lines[most - 1 :])]
    return [_cut(line, width, size) for line in lines]


def _cut(text: str, width: float, size: float) -> str:
    if text_width(text, size) <= width:
        return text
    while len(text) > 1 and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def numbers(values: Sequence[Any]) -> FloatArray:
    """(n,) floats, NaN where nothing stands."""
    return np.array([number(v) for v in values], dtype=np.float64)
