"""What can be told before anything runs: what would be done and why, and what would fail."""
