"""One metric per file: pure functions, arrays in, numbers out. Rounding happens only in the report."""
