"""What stages leave behind, by fingerprint: artifacts, checkpoints, cached JSON, and when each counts as whole."""
