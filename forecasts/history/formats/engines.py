"""Counters of inference engines (vLLM, SGLang, TGI) as they scrape: what was counted between two samples, a second."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

COUNTERS = {
    "vllm:request_success_total": "requests/s",
    "vllm:prompt_tokens_total": "input tokens/s",
    "vllm:generation_tokens_total": "output tokens/s",
    "sglang:num_requests_total": "requests/s",
    "sglang:prompt_tokens_total": "input tokens/s",
    "sglang:generation_tokens_total": "output tokens/s",
    "tgi_request_count": "requests/s",
    "tgi_request_success": "requests/s",
}
"""Unit of a counter's rate. Sources: docs.vllm.ai (Production Metrics), docs.sglang.ai (Production Metrics), TGI
documentation (Metrics)."""


def unit_of(labels: Mapping[str, str]) -> str:
    """The unit of a counter's rate; empty where a series is not a counter of an engine."""
    return COUNTERS.get(labels.get("__name__", ""), "")


def rates(samples: pd.DataFrame) -> pd.DataFrame:
    """Rates a second from a counter's samples (timestamp, value), each at the start of its interval.

    A counter that falls was started anew: what it then shows has been counted since.
    """
    known = samples[np.isfinite(samples["value"])].sort_values("timestamp")
    count = known["value"].to_numpy(float)
    seconds = np.diff(known["timestamp"].to_numpy("datetime64[ns]").astype(np.int64)) / 1e9
    more = np.diff(count)
    gained = np.where(more < 0, count[1:], more)
    taken = seconds > 0
    rate = gained[taken] / seconds[taken]
    return pd.DataFrame({"timestamp": known["timestamp"].iloc[:-1][taken].to_numpy(), "value": rate}).assign(
        timestamp=lambda t: pd.to_datetime(t["timestamp"], utc=True)
    )
