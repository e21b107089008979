"""The configuration: its keys (model.py), what values they take (values.py) and how a file becomes one (load.py)."""
