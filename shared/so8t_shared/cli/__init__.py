"""The command line `so8t-ab`: one file per command (main.py registers them)."""
