"""What varies, in one table per kind: a new one is a row here, and everything else finds it."""
