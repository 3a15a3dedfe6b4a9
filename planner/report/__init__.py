"""Figures and the report of a plan or a comparison."""
