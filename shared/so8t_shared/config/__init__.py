"""The configuration: its keys (model.py, training.py), their value types (values.py) and loading it (load.py)."""
