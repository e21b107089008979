"""Range headers."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from so8t_dashboard.byte_ranges import Unsatisfiable, wanted_bytes

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=2-4", range(2, 5)),
        ("bytes=4-", range(4, 10)),
        ("bytes=4-999", range(4, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("Bytes=9-", range(9, 10)),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=+1-2", None),
        ("bytes=٣-٤", None),
        (f"bytes=0-{'9' * 5000}", None),
    ],
)
def test_ranges_of_ten_bytes(header: str, wanted: range | None) -> None:
    """One range is understood; anything else gets the whole file, as the standard allows."""
    headers = Headers(raw=[(b"range", header.encode())])
    assert wanted_bytes(headers, 10, ETAG) == wanted


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_bytes_that_the_file_does_not_have(header: str) -> None:
    """Past its end, or none at all."""
    with pytest.raises(Unsatisfiable):
        wanted_bytes(Headers({"range": header}), 10, ETAG)
    with pytest.raises(Unsatisfiable):
        wanted_bytes(Headers({"range": "bytes=0-"}), 0, ETAG)


def test_a_range_of_another_version() -> None:
    """A download that began with another file starts anew."""
    assert wanted_bytes(Headers({"range": "bytes=1-2", "if-range": ETAG}), 10, ETAG) == range(1, 3)
    assert wanted_bytes(Headers({"range": "bytes=1-2", "if-range": '"old"'}), 10, ETAG) is None
