"""Runs stages as Kubernetes Jobs, and writes their manifests."""
