"""The report's pictures, one file a picture, one style for all."""
