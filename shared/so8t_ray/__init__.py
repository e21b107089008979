"""Runs stages as tasks of a Ray cluster, and shares the rows of a test among its hosts."""
