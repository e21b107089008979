"""Training by several processes: torchrun starts the ranks; the leader alone holds the lease and uses the store."""
