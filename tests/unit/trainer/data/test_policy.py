"""Only licensed data without personal data, secrets or NSFW labeled ALLOW is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.config.model import DataPolicy, Source
from so8t_shared.dataset_card import CARD
from so8t_shared.errors import InputError
from so8t_trainer.data.policy import apply_policy, declared_source, facts_of_test, source_facts
from so8t_trainer.data.read import SourceRows
from so8t_trainer.data.rows import Row

POLICY = DataPolicy()
DECLARED = Source(license="CC-BY-4.0", provenance="written for the test")


def _source(folder: Path | None) -> SourceRows:
    return SourceRows("rows.jsonl", folder, [])


def _row(text: str, label: str = "ALLOW", **values: object) -> Row:
    return Row(text, label, "here", "text-label", **values)  # type: ignore[arg-type]


def test_the_configuration_or_a_card_declares_the_source(tmp_path: Path) -> None:
    """The configuration comes first; names compare without case."""
    (tmp_path / CARD).write_text("license: cc-by-4.0\nprovenance: a card\nsize: 3\n", encoding="utf-8")
    assert declared_source(_source(tmp_path), DECLARED, POLICY) == DECLARED
    assert declared_source(_source(tmp_path), None, POLICY) == Source(license="cc-by-4.0", provenance="a card")


def test_an_undeclared_source_is_refused_with_what_to_add(tmp_path: Path, said: Said) -> None:
    """Also for a Hub data set, which has no folder."""
    for folder in (tmp_path, None):
        with said.raised(InputError):
            declared_source(_source(folder), None, POLICY)


def test_a_license_outside_the_allow_list_is_refused(said: Said) -> None:
    """The error lists what is allowed."""
    proprietary = Source(license="proprietary", provenance="x")
    with said.raised(InputError):
        declared_source(_source(None), proprietary, POLICY)
    assert declared_source(_source(None), proprietary, DataPolicy(allowed_licenses=["Proprietary"]))


def test_the_configuration_does_not_hide_what_a_folders_own_card_says(tmp_path: Path, said: Said) -> None:
    """It was reported as MIT what its own card forbids to use so."""
    (tmp_path / CARD).write_text("license: cc-by-nc-4.0\nprovenance: a card\n", encoding="utf-8")
    with said.raised(InputError, where=str(tmp_path / CARD)):
        declared_source(_source(tmp_path), Source(license="MIT", provenance="said so"), POLICY)


@pytest.mark.parametrize("card", ["license: mit\n", "- mit\n", "a: ["])
def test_a_bad_card_is_refused(tmp_path: Path, card: str, said: Said) -> None:
    """A card needs both keys and must be YAML."""
    (tmp_path / CARD).write_text(card, encoding="utf-8")
    with said.raised(InputError):
        declared_source(_source(tmp_path), None, POLICY)


def test_custom_terms_are_a_file_whose_digest_is_reported(tmp_path: Path, said: Said) -> None:
    """`license: other` names its terms beside the card; a name alone is refused, and so is a file that is not there."""
    card = tmp_path / CARD
    card.write_text("license: other\nprovenance: a collection\nrobots: allowed\nlicense_notes: ask\n", encoding="utf-8")
    with said.raised(InputError, where=str(card)):
        declared_source(_source(tmp_path), None, POLICY)
    card.write_text(card.read_text(encoding="utf-8") + "license_file: TERMS.txt\n", encoding="utf-8")
    with said.raised(InputError, where=str(card)):
        declared_source(_source(tmp_path), None, POLICY)
    (tmp_path / "TERMS.txt").write_bytes(b"abc")
    facts = source_facts(declared_source(_source(tmp_path), None, POLICY))
    assert facts == {
        "license": "other",
        "provenance": "a collection",
        "license_file": "TERMS.txt",
        "license_sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  # NIST's vector for abc
        "license_notes": "ask",
        "robots": "allowed",
    }


def test_odc_by_has_two_names(tmp_path: Path) -> None:
    """The Hub's and SPDX's; a card and the configuration may differ in that."""
    (tmp_path / CARD).write_text("license: odc-by\nprovenance: a card\nrobots: allowed\n", encoding="utf-8")
    assert declared_source(_source(tmp_path), None, POLICY).license == "odc-by"
    configured = Source(license="ODC-By-1.0", provenance="mine")
    agreed = declared_source(_source(tmp_path), configured, POLICY)
    assert (agreed.license, agreed.provenance, agreed.robots) == ("ODC-By-1.0", "mine", "allowed")
    assert declared_source(_source(None), Source(license="x", provenance="y"), DataPolicy(allowed_licenses=["X"]))


def test_what_is_reported_of_test_rows(tmp_path: Path) -> None:
    """Their card's license and notes, whatever the license; without a readable card, that they are not trained on."""
    plain = {"license": "not trained on", "provenance": "ab_test.test_data"}
    assert facts_of_test(_source(None)) == facts_of_test(_source(tmp_path)) == plain
    (tmp_path / CARD).write_text("a: [", encoding="utf-8")
    assert facts_of_test(_source(tmp_path)) == plain
    (tmp_path / CARD).write_text("license: cc-by-nc-4.0\nprovenance: a set\nlicense_notes: n\n", encoding="utf-8")
    facts = facts_of_test(_source(tmp_path))
    assert facts == {"license": "cc-by-nc-4.0; not trained on", "provenance": "a set", "license_notes": "n"}


def test_rows_are_left_out_and_counted_by_reason() -> None:
    """Thinking parts are looked at too; NSFW rows stay when they teach refusal."""
    rows = [
        _row("Bake bread"),
        _row("Call 090-1234-5678"),
        _row("Ask for help", thinking={"task": "mail to a@example.com"}),
        _row("The key is AKIAQYLPMN5HFIQR7XYA"),
        _row("nsfw story", nsfw=True),
        _row("nsfw story", "REFUSE", nsfw=True),
    ]
    kept, excluded = apply_policy(rows, POLICY)
    assert kept == [rows[0], rows[5]]
    assert excluded == {
        "personal data: phone number": 1,
        "personal data: e-mail address": 1,
        "secret": 1,
        "NSFW labeled ALLOW": 1,
    }


def test_filters_can_be_turned_off_but_not_the_nsfw_rule() -> None:
    """The two switches of dataset.policy."""
    rows = [_row("Call 090-1234-5678"), _row("AKIAQYLPMN5HFIQR7XYA"), _row("story", nsfw=True)]
    kept, excluded = apply_policy(rows, DataPolicy(exclude_personal_data=False, exclude_secrets=False))
    assert kept == rows[:2]
    assert excluded == {"NSFW labeled ALLOW": 1}


def test_turns_before_the_request_are_looked_at_too() -> None:
    """They are trained on as well."""
    row = _row("And then?", turns=(("system", "mail a@example.com"), ("user", "Hi"), ("assistant", "Hello")))
    assert apply_policy([row], POLICY) == ([], {"personal data: e-mail address": 1})
