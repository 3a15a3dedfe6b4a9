"""Deciding again period by period, and looking back."""
