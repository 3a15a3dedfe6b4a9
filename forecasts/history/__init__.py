"""Histories: reading, mapping and judging them."""

from forecasts.history.faults import HistoryError
from forecasts.history.history import SeriesMapping, read_history
from forecasts.history.panel import History

__all__ = ["History", "HistoryError", "SeriesMapping", "read_history"]
