"""One table per kind of extension: add a row here, and everything else finds it."""
