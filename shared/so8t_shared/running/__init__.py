"""Running one stage (runner.py) or all stages (pipeline.py), each in its own process."""
