"""llama.cpp in a child process, one a model."""
