"""Comparison of answers from any source: logs in, the same verdict as the conclude stage gives out."""
