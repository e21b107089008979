"""The rungs of a ladder that torch computes: the trained model, and a checkpoint in plain transformers."""
