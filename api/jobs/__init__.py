"""Durable runs: accepted once, finished once, whatever is killed."""
