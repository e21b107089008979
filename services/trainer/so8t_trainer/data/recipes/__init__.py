"""Recipes for public data sets: how the columns and classes of each become rows of the four classes."""
