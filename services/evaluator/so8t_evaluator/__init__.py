"""Models into Ollama, the A/B test itself, and what may be concluded from it."""
