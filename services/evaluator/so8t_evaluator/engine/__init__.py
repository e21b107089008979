"""What answers prompts: one protocol, and the engines that keep it."""
