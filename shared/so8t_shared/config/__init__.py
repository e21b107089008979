"""The configuration: its keys (model.py) and how a file becomes one (load.py)."""
