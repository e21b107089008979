"""The content of each part of the report, one module per part; all plain text and numbers."""
