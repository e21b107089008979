"""A data set's card."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.dataset_card import CARD, read_card, terms_beside


def test_a_card(tmp_path: Path) -> None:
    """License and origin, and optional terms, which are beside it; other keys are the owner's."""
    card = tmp_path / CARD
    assert terms_beside(tmp_path) is None
    card.write_text("license: mit\nprovenance: x\nsize: 3\nrobots: [no text]\n", encoding="utf-8")
    source = read_card(card)
    assert (source.license, source.provenance, source.license_file, source.robots) == ("mit", "x", None, "")
    assert terms_beside(tmp_path) is None
    card.write_text("license: other\nprovenance: x\nlicense_file: T.txt\nrobots: allowed\n", encoding="utf-8")
    assert read_card(card).license_file == str(tmp_path / "T.txt")
    assert read_card(card).robots == "allowed"
    assert terms_beside(tmp_path) == tmp_path / "T.txt"
