"""Formats in which people have histories: a small reader each."""
