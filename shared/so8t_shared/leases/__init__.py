"""Of all processes that want to compute the same, exactly one does."""
