"""The Ollama server: connecting to it, uploading models, and asking them."""
