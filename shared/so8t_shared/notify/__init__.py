"""Notifications when a stage or a run ends, and the sound for it."""
