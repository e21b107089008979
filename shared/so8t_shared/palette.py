"""The colors of all pages, for light and dark displays."""

from __future__ import annotations

from importlib.resources import files


def palette() -> str:
    """CSS that defines them as variables."""
    return files("so8t_shared").joinpath("palette.css").read_text("utf-8")
