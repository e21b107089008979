"""Leases: exactly one of all processes that want to do the same work does it."""
