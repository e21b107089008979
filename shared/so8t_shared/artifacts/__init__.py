"""What stages leave behind, by fingerprint: artifacts, checkpoints, small records, and when each counts as whole."""
