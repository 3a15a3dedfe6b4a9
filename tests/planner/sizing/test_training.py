"""Training: work counted by the usual rule, and what is assumed."""

from __future__ import annotations

import pytest

from planner.sizing import open_library
from planner.sizing.training import PUBLISHED, train, training_tflop_per_token, utilisation

LIBRARY = open_library()
LLAMA, DEEPSEEK = LIBRARY.model("llama-3.1-70b"), LIBRARY.model("deepseek-v3")


def test_six_operations_a_parameter_and_token() -> None:
    flop = training_tflop_per_token(LLAMA, 4096)
    assert flop == pytest.approx(6 * 70.55e9 / 1e12 + 6 * 80 * 8192 * 4096 / 1e12, rel=2e-3)
    assert training_tflop_per_token(DEEPSEEK, 4096) < 0.7 * flop


def test_days_follow_from_the_peak_and_the_utilisation() -> None:
    job = train(LLAMA, LIBRARY.card("h800"), 2048, 2e12, mfu=0.4)
    by_hand = 2e12 * training_tflop_per_token(LLAMA, 4096) / (2048 * 989 * 0.4) / 86400
    assert job.days == pytest.approx(by_hand)
    assert job.card_days == pytest.approx(2048 * by_hand)
    assert (job.error, job.mark) == (None, "F")


def test_larger_gangs_and_experts_lose_and_defaults_lie_near_what_was_published() -> None:
    h800 = LIBRARY.card("h800")
    shares = [utilisation(h800, n, False) for n in (256, 512, 2048, 16384)]
    assert shares == sorted(shares, reverse=True)  # type: ignore[type-var]
    assert utilisation(h800, 2048, True) == pytest.approx(0.8 * utilisation(h800, 2048, False))  # type: ignore[operator]
    for value, cards, _ in PUBLISHED.values():
        told = utilisation(h800, cards, False)
        assert told is not None
        assert abs(told / value - 1) <= 0.24


def test_what_nobody_has_published_is_not_known() -> None:
    assert utilisation(LIBRARY.card("k100-ai"), 64, False) is None
    with pytest.raises(ValueError, match="utilisation in training not known"):
        train(LLAMA, LIBRARY.card("k100-ai"), 64, 1e12)
    with pytest.raises(ValueError, match="no peak for fp8"):
        train(LLAMA, LIBRARY.card("a100"), 64, 1e12, precision="fp8")
