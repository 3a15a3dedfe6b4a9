"""Histories: reading, mapping and judging them."""

from forecasts.history.history import History, HistoryError, SeriesMapping, read_history

__all__ = ["History", "HistoryError", "SeriesMapping", "read_history"]
