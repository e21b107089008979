"""Evidence bundles: one archive with all that a session's results rest on, and its verification."""
