"""Neutral prompts with reference answers: those of the project, and how a file of others is read."""
