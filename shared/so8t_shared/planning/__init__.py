"""Checks before a run: what would be done and why, and what would fail."""
