"""The rungs of a ladder that engines compute, and the comparison of all rungs."""
