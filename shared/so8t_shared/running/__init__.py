"""Running stages: one of them (runner.py), all of them (pipeline.py), each in a process of its own."""
