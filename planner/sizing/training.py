"""Training: model FLOPs utilisation by scale and card, and how long a job takes.

A step of N parameters and T tokens costs 6·N·T floating-point operations (Kaplan et al. 2020, arXiv:2001.08361), plus
12·layers·hidden·sequence a token for attention (PaLM, arXiv:2204.02311, appendix B). MFU is that work over the peak.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

from planner.sizing.errors import refuse
from planner.sizing.types import Card, Model

PUBLISHED: Mapping[str, tuple[float, int, str]] = {
    "Llama 3.1 405B on 8,192 H100": (0.43, 8192, "R: The Llama 3 herd of models (arXiv:2407.21783), table 4"),
    "Llama 3.1 405B on 16,384 H100": (0.41, 16384, "R: the same, 16,384 cards with data parallelism 128"),
    "MegaScale 175B on 12,288 A100-class": (0.552, 12288, "R: MegaScale (arXiv:2402.15627), table 2"),
    "PaLM 540B on 6,144 TPU v4": (0.462, 6144, "R: PaLM (arXiv:2204.02311), table 3"),
}
"""Published utilisations, that the defaults below were set from."""

BEST, PER_DOUBLING, MOE, FIRST = 0.45, 0.005, 0.8, 512
"""Default utilisation of dense models up to FIRST cards, its loss with every doubling beyond, and the factor that
experts' all-to-all costs. Assumptions (mark A)."""
ERROR = 0.2
"""Relative error that the defaults carry: the published utilisations lie between 0.41 and 0.55."""
RANGES = {"NVIDIA": (0.35, 0.45), "华为": (0.30, 0.40)}
"""Ranges that operators plan with, by vendor (mark A)."""


@dataclass(frozen=True)
class Trained:
    """mfu of the peak; tokens_per_s and card; days of the whole job; error: relative, None where the
    utilisation is the owner's own (mark F; the default carries mark A)."""

    mfu: float
    tokens_per_s: float
    days: float
    card_days: float
    error: float | None
    mark: str


def utilisation(card: Card, gang_cards: int, experts: bool) -> float | None:
    """Default MFU by the gang's size; None for a card whose maker's published utilisations are not known.

    0.45 up to 512 cards, half a point less with every doubling, × 0.8 with experts, and no more than the middle of the
    maker's range.
    """
    if card.vendor not in RANGES:
        return None
    doublings = max(gang_cards / FIRST, 1.0)
    loss = PER_DOUBLING * log2(doublings)
    low, high = RANGES[card.vendor]
    return float(min(BEST - loss, (low + high) / 2 + 0.05) * (MOE if experts else 1.0))


def training_tflop_per_token(model: Model, sequence: int) -> float:
    """Work of one token forward and backward, TFLOP (10¹² operations)."""
    parameters = (model.active_params + model.head_params) * 1e9
    a = model.attention
    attention = 12 * a.heads * a.head_dim * (a.full_layers * sequence + a.window_layers * min(a.window, sequence))
    return (6 * parameters + attention / 2) / 1e12


def train(
    model: Model,
    card: Card,
    gang_cards: int,
    tokens: float,
    sequence: int = 4096,
    precision: str = "bf16",
    mfu: float | None = None,
) -> Trained:
    """How long a job of `tokens` tokens takes on a gang. mfu: the owner's own, else the default.

    Raises SizingError where the peak or the utilisation is not known.
    """
    peak = card.pflops.get(precision)
    if peak is None:
        raise refuse(f"card {card.id}", f"no peak for {precision}", f"one of {', '.join(sorted(card.pflops))}")
    used = mfu if mfu is not None else utilisation(card, gang_cards, model.experts > 0)
    if used is None:
        raise refuse(f"card {card.id}", "utilisation in training not known", "mfu of your own")
    if not 0 < used <= 1:
        raise refuse("mfu", f"{used:g}", "above 0, at most 1")
    rate = peak * 1000 * used / training_tflop_per_token(model, sequence)
    days = tokens / (rate * gang_cards) / 86400
    return Trained(used, rate, days, days * gang_cards, ERROR if mfu is None else None, "A" if mfu is None else "F")
