"""Scenarios side by side: making, informing, tables and verdict."""
