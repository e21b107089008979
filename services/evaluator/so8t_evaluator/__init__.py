"""Imports models into Ollama, runs the A/B test, and draws conclusions from it."""
