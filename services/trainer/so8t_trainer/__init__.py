"""Retraining with SO8T gates: model B from its base and a data set."""
