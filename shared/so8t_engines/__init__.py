"""Ways to run GGUF files: llama.cpp in a child process, and Ollama; for every service that asks models."""
