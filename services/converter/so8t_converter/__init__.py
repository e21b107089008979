"""Converts the Hugging Face folders of models A and B to GGUF files."""
