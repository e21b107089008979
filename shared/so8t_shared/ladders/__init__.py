"""Ladders: the same rows through every hand-over of a model, each rung measured by a process of its service."""
