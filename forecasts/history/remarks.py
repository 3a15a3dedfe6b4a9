"""What is said of a history: remarks by code, their words in both languages, and many alike summed up in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_ALIKE = 3
"""From how many series on a remark is said once of all of them."""


@dataclass(frozen=True)
class Remark:
    """One thing that was done to a series or noticed of it. values: what its words need; `n` adds up over series."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def words(self, language: str = "en") -> str:
        """The remark in words."""
        zh = language == "zh-CN"
        values = dict(self.values)
        if zh and self.code == "format":
            for english, chinese in FORMATS.items():
                values["format"] = values["format"].replace(english, chinese)
        return ONE[self.code][zh].format(**values)


DONE = (
    *("duplicates", "conflicting", "summed", "negative", "empty", "missing", "stuck", "outage", "averaged", "steps"),
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
    "data frame": "数据框",
    "sheet ": "工作表 ",
}
"""What formats are called in Chinese, where it is not a product's own name."""

ONE: dict[str, tuple[str, str]] = {
    "format": ("Read as {format}: {rows:,} rows", "读作 {format}：{rows:,} 行"),
    "note": ("{text}", "{text}"),
    "mistyped": (
        "{n} rows were left out, whose dates lie so far from all the others that they must be mistyped ({shown})",
        "略去 {n} 行：其日期与其余各行相距过远，应属误写（{shown}）",
    ),
    "zone": (
        "{n} times lie in hours that {zone} skips: the time zone may be wrong",
        "有 {n} 个时刻落在 {zone} 跳过的小时内：时区可能有误",
    ),
    "left_out": ("{n} series left out by the mapping: {names}", "映射未包含的 {n} 条序列已略去：{names}"),
    "parts": (
        "{n} parts, told apart by {columns}, were added up to their series",
        "按 {columns} 区分的 {n} 个部分已相加为各自的序列",
    ),
    "duplicates": ("{n} repeated rows merged", "合并 {n} 行重复记录"),
    "conflicting": ("{n} moments with different values averaged", "{n} 个时刻有不同的值，已取平均"),
    "summed": ("{n} moments with several rows added up", "{n} 个时刻有多行，已相加"),
    "negative": ("{n} negative values masked", "屏蔽 {n} 个负值"),
    "empty": ("{n} empty or infinite values masked", "屏蔽 {n} 个空值或无穷值"),
    "missing": ("{n} hours missing inside the history, masked", "历史中间缺 {n} 小时，已屏蔽"),
    "zeros": ("{n} hours without a row taken as no demand, as was stated", "按说明，{n} 个无记录的小时视为无需求"),
    "stuck": ("{n} hours of a stuck sensor {verb}", "传感器停滞 {n} 小时，{verb_zh}"),
    "outage": ("{n} hours of zeros that look like an outage {verb}", "{n} 小时的零值疑似中断，{verb_zh}"),
    "averaged": ("averaged from {step:g} minutes to hours", "由 {step:g} 分钟平均为小时"),
    "steps": (
        "several steps between samples ({steps}): each stretch averaged by its own",
        "采样间隔不一（{steps}）：各段按自身间隔平均",
    ),
    "irregular": (
        "moments follow no step: every value holds until the next one (time-weighted means)",
        "时刻不规则：每个值保持到下一个值为止（按时间加权平均）",
    ),
    "dropped": (
        "{n} hours that had rows were not used: less than half of the hour is covered",
        "{n} 个有记录的小时未采用：覆盖不足半小时",
    ),
    "coarse": (
        "{n} rows that stand {hours:g} hours apart left out: they say nothing of single hours",
        "略去 {n} 行：彼此相隔 {hours:g} 小时，无法说明单个小时",
    ),
    "rate": (
        "a counter, taken as its increase a second ({n} resets)",
        "累计值，已换算为每秒增量（重置 {n} 次）",
    ),
    "amount": ("amounts, taken as amounts a second", "区间总量，已换算为每秒的量"),
    "shift": ("the level changed by x{ratio:.2f} about {day}", "水平在 {day} 前后变为原来的 {ratio:.2f} 倍"),
    "outliers": ("{n} outliers kept (the models dampen them)", "保留 {n} 个离群值（模型会削弱其影响）"),
    "stale": ("the last value is {n} hours old", "最后一个值距今 {n} 小时"),
    "nothing": ("no usable value at all", "没有任何可用的值"),
    "short": ("only {n} hours of history", "历史只有 {n} 小时"),
    "ceiling": (
        "{n} hours stand at the highest value ({level:.6g}) since {since}, {recent:.0%} of the last four weeks: it "
        "looks like a ceiling, and what was asked for above it was not measured. Name it "
        "(--ceiling 'SERIES={level:.6g}') to have that demand estimated",
        "自 {since} 起有 {n} 小时停在最高值（{level:.6g}），占最近四周的 {recent:.0%}："
        "疑似上限，超出部分的需求未被测到。"
        "用 --ceiling 'SERIES={level:.6g}' 指明上限后可估计该需求",
    ),
    "same_hours": (
        "{share:.0%} of the hours are missing, always the same hours of the week: if no row means no demand, say so "
        "(--read no-row=zero). As it was read they are unknown, and the level is that of the hours with rows",
        "有 {share:.0%} 的小时缺失，且总在一周的同样时段：若无记录即无需求，请注明（--read no-row=zero）。"
        "目前按未知处理，水平只代表有记录的小时",
    ),
}
MANY: dict[str, tuple[str, str]] = {
    "averaged": ("averaged from finer samples to hours", "由更细的采样平均为小时"),
    "steps": (
        "several steps between samples: each stretch averaged by its own",
        "采样间隔不一：各段按自身间隔平均",
    ),
    "coarse": (
        "{n} rows that stand more than an hour apart left out: they say nothing of single hours",
        "略去 {n} 行：彼此相隔超过一小时，无法说明单个小时",
    ),
    "shift": ("the level changed lastingly, {n} times in all", "水平发生持久变化，共 {n} 次"),
    "stale": ("the last value is up to {most} hours old", "最后一个值最久距今 {most} 小时"),
    "nothing": ("no usable value at all", "没有任何可用的值"),
    "short": ("at most {most} hours of history", "历史最多只有 {most} 小时"),
    "ceiling": (
        "{n} hours stand at the highest value: it looks like a ceiling, and what was asked for above it was not "
        "measured. Name ceilings (--ceiling 'SERIES=LEVEL') to have that demand estimated",
        "共 {n} 小时停在最高值：疑似上限，超出部分的需求未被测到。用 --ceiling 'SERIES=LEVEL' 指明上限后可估计该需求",
    ),
    "same_hours": (
        "up to {most_share:.0%} of the hours are missing, always the same hours of the week: if no row means no "
        "demand, say so (--read no-row=zero). As it was read they are unknown",
        "最多有 {most_share:.0%} 的小时缺失，且总在一周的同样时段：若无记录即无需求，"
        "请注明（--read no-row=zero）。目前按未知处理",
    ),
}
"""Words for several series where adding `n` up in the words of one would not do."""
AND_MORE = ("{series} series ({names})", "{series} 条序列（{names}）")


def summed_up(remarks: Sequence[tuple[str, Remark]], language: str = "en") -> list[str]:
    """Sentences of (series, remark) pairs: what is said of more than three series is said once, with its sum."""
    zh = language == "zh-CN"
    by_code: dict[str, list[tuple[str, Remark]]] = {}
    for name, remark in remarks:
        by_code.setdefault(remark.code, []).append((name, remark))
    out = []
    for code, own in by_code.items():
        series = list(dict.fromkeys(name for name, _ in own))
        if len(series) <= MOST_ALIKE:
            said = {name: "; ".join(r.words(language) for n, r in own if n == name) for name in series}
            out += [f"{name}：{text}" if zh else f"{name}: {text}" for name, text in said.items()]
            continue
        counts = [int(r.values.get("n", 1)) for _, r in own]
        values = {
            **own[0][1].values,
            "n": sum(counts),
            "most": max(counts),
            "most_share": max(float(r.values.get("share", 0)) for _, r in own),
        }
        shown = ("、" if zh else ", ").join(series[:MOST_ALIKE])
        more = len(series) - MOST_ALIKE
        shown += (" 等" if zh else f" and {more} more") if more > 0 else ""
        words = MANY.get(code, ONE[code])[zh].format(**values)
        where = AND_MORE[zh].format(series=len(series), names=shown)
        out.append(f"{where}：{words}" if zh else f"{where}: {words}")
    return out
