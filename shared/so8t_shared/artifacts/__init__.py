"""Stage outputs by fingerprint: artifacts, checkpoints and cached JSON, and when each counts as complete."""
