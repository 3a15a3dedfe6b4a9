"""Hours of the week."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecasts.outlook import IntArray


def hour_of_week(index: pd.DatetimeIndex) -> IntArray:
    """(hours,) 0 is Monday 00:00, 167 Sunday 23:00."""
    return np.asarray(index.dayofweek * 24 + index.hour, dtype=np.int64)
