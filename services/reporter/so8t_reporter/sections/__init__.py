"""What each part of the report says; one module a part, all of it plain text and numbers."""
