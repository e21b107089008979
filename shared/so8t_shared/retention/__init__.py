"""Neutral prompts with reference answers: the shipped set, or a file of the user's."""
