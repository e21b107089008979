"""From the user's files to a training set and a test set: read, filter, split."""
