"""Compares other files of model B with its primary one on validation rows."""
