"""Units of measured series against those of workloads: the same, or in need of a scale."""

from __future__ import annotations

import re

_SAME = (
    {"requests/s", "request/s", "req/s", "reqs/s", "rps", "qps", "queries/s", "query/s"},
    {"input tokens/s", "prompt tokens/s", "context tokens/s"},
    {"output tokens/s", "generated tokens/s", "generation tokens/s", "completion tokens/s"},
    {"tokens/s", "token/s", "tok/s", "tps"},
    {"gpu", "gpus", "card", "cards", "accelerator", "accelerators"},
    {"pflops", "pflop/s", "petaflops", "petaflop/s"},
    {"core", "cores", "cpu", "cpus", "vcpu", "vcpus"},
)
_PER_SECOND = re.compile(r"\s*(?:/\s*(?:sec|second|seconds)|per\s+(?:s|sec|second))$")


def _plain(unit: str) -> str:
    low = _PER_SECOND.sub("/s", unit.strip().lower())
    low = re.sub(r"\s+", " ", low)
    return next((sorted(names)[0] for names in _SAME if low in names), low)


def same_unit(measured: str, wanted: str) -> bool:
    """Whether two units are the same as far as is known: an unstated one matches any.

    Tokens that are measured as input or output are tokens; tokens of which nobody says which are neither.
    """
    own, asked = _plain(measured), _plain(wanted)
    if not own or not asked or own == asked:
        return True
    return asked == _plain("tokens/s") and own in (_plain("input tokens/s"), _plain("output tokens/s"))
