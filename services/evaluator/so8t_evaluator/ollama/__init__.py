"""The Ollama server: how it is reached, how models are put there, how they are asked."""
