"""Inputs of `make demo`: a real small model and a data set made by this project."""
