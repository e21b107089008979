"""Training by several processes: torchrun's ranks under a leader, which alone holds the lease and talks to the store."""
