"""Every chart, built once, used by page, report and notebook. Plotly is imported only when a chart is drawn."""

from planner.report.figures.backtest import backtest_scores
from planner.report.figures.capacity import capacity
from planner.report.figures.chart import Chart, View
from planner.report.figures.comparison import ComparisonView, comparison_charts
from planner.report.figures.costs import costs_by_period, costs_by_term
from planner.report.figures.energy import carbon, energy
from planner.report.figures.lookback import peaks_against
from planner.report.figures.orders import order_list, orders_table, timeline
from planner.report.figures.outlook import tide_heat, weekly_peak
from planner.report.figures.sites import site_map, utilisation
from planner.report.figures.tide import busiest_day, day_name, tide

__all__ = [
    "Chart",
    "ComparisonView",
    "View",
    "backtest_scores",
    "busiest_day",
    "capacity",
    "carbon",
    "comparison_charts",
    "costs_by_period",
    "costs_by_term",
    "day_name",
    "energy",
    "order_list",
    "orders_table",
    "peaks_against",
    "site_map",
    "tide",
    "tide_heat",
    "timeline",
    "utilisation",
    "weekly_peak",
]
