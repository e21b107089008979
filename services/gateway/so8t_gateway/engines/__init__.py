"""How the service asks a model: one file for each engine."""
