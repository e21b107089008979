"""Comments are found by key."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.original.comments import Comments, comments_of


def test_comments(tmp_path: Path) -> None:
    """Above a key and behind its value; a # in a text is none."""
    path = tmp_path / "a.yaml"
    text = """\
# head

# two
#lines
a:   # of the section
  b: "x # y"  # behind
  # over a list
  c:
    - 1  # of the item
  d: [1, 2] # after
e: |
  # text
"""
    path.write_text(text, encoding="utf-8")
    assert comments_of(path) == {
        "a": Comments(["two", "lines"], "of the section"),
        "a.b": Comments([], "behind"),
        "a.c": Comments(["over a list"], ""),
        "a.d": Comments([], "after"),
        "e": Comments([], ""),
    }
    path.write_text("# nothing\n")
    assert comments_of(path) == {}
