"""The command line `so8t-ab`: one file a command (main.py registers them)."""
