"""What model B still knows: reference answers to neutral prompts, scored in both models' GGUF files."""
