"""From a Hugging Face folder to GGUF files, of model A and of model B."""
