"""Where artifacts are kept: one protocol (base.py), a folder (local.py) or a bucket (minio.py) behind it."""
