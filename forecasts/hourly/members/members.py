"""Which members stand for election, and why they are there."""

from __future__ import annotations

from collections.abc import Callable

from forecasts.hourly.members.base import Member
from forecasts.hourly.members.profile import LevelProfile
from forecasts.hourly.members.regression import Harmonic, SeasonalAr
from forecasts.hourly.members.seasonal import Flat, KindMedian, SeasonalMean, SeasonalMedian


def default_members() -> tuple[Callable[[], Member], ...]:
    """Makers of the default members, numpy only.

    Chosen by backward elimination on development windows (docs/decisions/0020): flat2 and flat168 carry series without
    a tide; naive24, median24x7, profile24, harmonic24 and autoregression24 serve until there are weeks to learn
    from; daykind28 needs a week and joined later (0086); the others need two weeks or more. `change` is an
    autoregression of the change against the day or week before.
    """
    return (
        lambda: Flat(2),
        lambda: Flat(168),
        lambda: SeasonalMean(24),
        lambda: SeasonalMean(168),
        lambda: SeasonalMedian(24, 7),
        lambda: SeasonalMedian(168, 3),
        lambda: KindMedian(28),
        lambda: LevelProfile(24),
        lambda: LevelProfile(168, damping=0.97),
        lambda: LevelProfile(168, half_life=6, damping=0.7, label="profile168fast"),
        lambda: Harmonic(8, 0, 4, 1.0, label="harmonic24"),
        lambda: Harmonic(label="harmonic168"),
        lambda: Harmonic(label="logharmonic168", log=True),
        lambda: SeasonalAr((1, 2, 3, 24, 25, 26, 48), "autoregression24", weeks=4),
        lambda: SeasonalAr((1, 2, 24, 168), "change24", difference=24),
        lambda: SeasonalAr((1, 2, 24, 25), "change168", difference=168),
    )
