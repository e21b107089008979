"""Coordination of processes that never talk to each other: a session's markers, and the artifacts it uses."""
