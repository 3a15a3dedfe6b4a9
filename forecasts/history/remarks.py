"""What is said of a history: remarks by code, in the words of the notes' catalogue, many alike summed up in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from forecasts.words.note import Note, catalogue, listed, note, said

MOST_ALIKE = 3
"""From how many series on a remark is said once of all of them."""


@dataclass(frozen=True)
class Remark:
    """One thing that was done to a series or noticed of it. values: what its words need; `n` adds up over series."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def words(self) -> Note:
        """The remark in words; those of the code "note" are its text."""
        if self.code == "note":
            text = self.values["text"]
            return Note(said(text, "en"), said(text, "zh-CN"))
        return note(f"history.{self.code}", **self.values)


DONE = (
    *(
        "duplicates",
        "conflicting",
        "summed",
        "negative",
        "empty",
        "missing",
        "filler",
        "stuck",
        "outage",
        "averaged",
        "steps",
    ),
    *("irregular", "dropped", "coarse", "rate", "amount", "zeros"),
)
"""Codes of what was done; all others are warnings."""
READ = ("format", "note", "parts")
"""Codes of how the file was read."""
FORMATS = {
    "long table": "长表",
    "wide table": "宽表",
    "request log with tokens": "带词元数的请求日志",
    "request log": "请求日志",
    "series joined by time": "按时间合并的序列",
    "series to rows": "逐行序列",
    "parted by commas": "以逗号分隔",
    "parted by semicolons": "以分号分隔",
    "parted by tabs": "以制表符分隔",
    "parted by bars": "以竖线分隔",
    "lines above the header": "表头之上的行数",
    "JSON records": "JSON 记录",
    "data frame": "数据框",
    "sheet ": "工作表 ",
}
"""What formats are called in Chinese, where it is not a product's own name."""


def format_name(name: str) -> Note:
    """What a format is called."""
    chinese = name
    for english, other in FORMATS.items():
        chinese = chinese.replace(english, other)
    return Note(name, chinese)


def summed_up(remarks: Sequence[tuple[str, Remark]]) -> list[Note]:
    """Sentences of (series, remark) pairs: what is said of more than three series is said once, with its sum."""
    by_code: dict[str, list[tuple[str, Remark]]] = {}
    for name, remark in remarks:
        by_code.setdefault(remark.code, []).append((name, remark))
    out = []
    for code, own in by_code.items():
        series = list(dict.fromkeys(name for name, _ in own))
        if len(series) <= MOST_ALIKE:
            for name in series:
                texts = [remark.words() for other, remark in own if other == name]
                every = Note("; ".join(texts), "；".join(text.chinese for text in texts))
                out.append(note("history.said_of", name=name, text=every))
            continue
        counts = [int(r.values.get("n", 1)) for _, r in own]
        values = {
            **own[0][1].values,
            "n": sum(counts),
            "most": max(counts),
            "most_share": max(float(r.values.get("share", 0)) for _, r in own),
        }
        many = f"history.many.{code}"
        text = note(many if many in catalogue("en") else f"history.{code}", **values)
        where = note("history.several_series", series=len(series), names=listed(series, MOST_ALIKE))
        out.append(note("history.said_of", name=where, text=text))
    return out
