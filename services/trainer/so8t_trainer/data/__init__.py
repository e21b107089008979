"""Turns the user's files into a training set and a test set: read, filter, split."""
