"""Stand-ins for public images: what of this host goes into them."""

from __future__ import annotations

import pytest

import stand_in_images


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ("index-url = https://me:token@packages.example/simple", "index-url = https://packages.example/simple"),
        ("deb [signed-by=/k.gpg] http://me@mirror.example/debian x main", None),
        ("URIs: http://mirror.example/debian", "URIs: http://mirror.example/debian"),
        ("trusted-host = a.example\nmail = me@example.org", "trusted-host = a.example\nmail = me@example.org"),
    ],
)
def test_no_credentials_get_into_an_image(setting: str, kept: str | None) -> None:
    """User and password leave an address; the rest of the text stays as it is."""
    expected = kept or "deb [signed-by=/k.gpg] http://mirror.example/debian x main"
    assert stand_in_images.without_credentials(setting) == expected
