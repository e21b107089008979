"""What the store says: a read-only view with a budget, a poller, and readers of its snapshots."""
