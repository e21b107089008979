"""The report's pictures: one module per picture, one style for all."""
