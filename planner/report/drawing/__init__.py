"""Charts as static vector pictures: figures of `planner.report.figures` drawn as SVG, with what hovering tells."""

from planner.report.drawing.picture import NARROW, WIDE, Picture, plot, svg

__all__ = ["NARROW", "WIDE", "Picture", "plot", "svg"]
