"""The statistics of a study: many trainings of several methods, judged on the same rows."""
