"""Model cards in English and Japanese, and results for a model hub, made of an evidence bundle that verifies."""
