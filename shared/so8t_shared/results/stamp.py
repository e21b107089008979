"""Session, date and configuration of a report, which only its export knows: sessions share equal reports.

The reporter writes the marks, and each export replaces them with its own session's values.
"""

from __future__ import annotations

SESSION = "⟨session of this report⟩"
CREATED = "⟨date of this session⟩"
CONFIGURATION = "⟨digest of this configuration⟩"

STAMPED_FILES = frozenset({"report.md", "report.html", "explorer.html"})


def stamped(data: bytes, *, session_id: str, created: str, config_digest: str) -> bytes:
    """Return the file with its marks replaced; none of the values needs escaping in HTML or Markdown."""
    for mark, value in ((SESSION, session_id), (CREATED, created), (CONFIGURATION, config_digest)):
        data = data.replace(mark.encode(), value.encode())
    return data
