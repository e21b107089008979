"""Artifact storage: one protocol (base.py), implemented by a folder (local.py) and a bucket (minio.py)."""
