"""Resume a session after a power cut: an entry with the system's own scheduler that calls `so8t-ab run` or `up`."""
