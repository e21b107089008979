"""Proving a bundle."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.bundled import Bundles
from tests.unit.shared.bundles.tampering import Files, Forgery, prove, read_files, write_files

from so8t_shared.bundles import signing
from so8t_shared.canonical import canonical_json
from so8t_shared.results.bundle import BundleProof, Signing

SAMPLES, EVALUATION = "evaluate/samples.jsonl", "conclude/evaluation.json"
RESULTS = "report/ab_test_results.json"


def refused_at(proof: BundleProof) -> str:
    """Where the first fault is."""
    assert not proof.proven
    assert proof.faults, proof.undecided
    return proof.faults[0].where


def test_what_was_written_is_proven(bundles: Bundles) -> None:
    """Every digest and every value of both results are right; a signature is told apart from one by a trusted key."""
    proofs = [prove(bundles.signed, bundles.key_id), prove(bundles.signed), prove(bundles.unsigned)]
    assert [proof.faults for proof in proofs] == [[], [], []]
    assert all(proof.proven for proof in proofs)
    assert [proof.signing for proof in proofs] == [Signing.TRUSTED, Signing.SIGNED, Signing.UNSIGNED]
    assert [proof.key_id for proof in proofs] == [bundles.key_id, bundles.key_id, ""]
    assert proofs[0].recomputed > 5_000
    assert proofs[0].gate in {"pass", "fail", "undecided"}
    assert proofs[0].not_checked == []


def test_without_texts_every_figure_is_computed_again(bundles: Bundles) -> None:
    """Also what counting words gives; what can no longer be checked is said."""
    proof = prove(bundles.without_texts)
    assert proof.proven
    assert proof.recomputed == prove(bundles.unsigned).recomputed
    assert len(proof.not_checked) == 3


def test_a_bundle_that_only_claims_to_have_no_texts(bundles: Bundles, tmp_path: Path) -> None:
    """It says that it has none, and has one: a fault, at the file."""

    def add(lines: list[Any]) -> None:
        lines[3]["final"] = "a secret"

    forgery = Forgery(bundles.without_texts).edit_lines(SAMPLES, add)
    assert refused_at(prove(forgery.write(tmp_path / "x.zip"))) == SAMPLES


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_refused(data: st.DataObject, bundles: Bundles, tmp_path: Path) -> None:
    """In headers, names, contents, directory, signature or end; unsigned, and without texts, too."""
    whole = bytearray(data.draw(st.sampled_from([bundles.signed, bundles.without_texts])).read_bytes())
    place = data.draw(
        st.integers(0, len(whole) - 1) | st.integers(0, 100) | st.integers(len(whole) - 3000, len(whole) - 1)
    )
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "flipped.zip"
    path.write_bytes(whole)
    proof = prove(path)
    assert proof.faults
    assert not proof.proven


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cut_or_longer_archive_is_refused(data: st.DataObject, bundles: Bundles, tmp_path: Path) -> None:
    """Cut anywhere, or with bytes before, between or after."""
    whole = bundles.signed.read_bytes()
    place = data.draw(st.integers(0, len(whole)))
    added = data.draw(st.binary(min_size=1, max_size=30))
    path = tmp_path / "other.zip"
    for changed in (whole[:place] + added + whole[place:], whole[:place] if place < len(whole) else whole[:-1]):
        path.write_bytes(changed)
        assert prove(path).faults


def _listed(files: Files, *names: str) -> None:
    """Add files of which the index knows."""
    index = json.loads(files["bundle.json"])
    entry = {"size_bytes": 0, "unpacked_bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    index["files"] = sorted([*index["files"], *({"name": n, **entry} for n in names)], key=lambda e: e["name"])
    files |= {"bundle.json": canonical_json(index), **dict.fromkeys(names, b"")}


EDITS: dict[str, tuple[str, Callable[[Files], object]]] = {
    "an answer's file": ("evaluate/samples.jsonl.gz", lambda f: f.update({"evaluate/samples.jsonl.gz": b"x"})),
    "a number": (EVALUATION, lambda f: f.update({EVALUATION: f[EVALUATION].replace(b"0.95", b"0.96", 1)})),
    "two files swapped": (
        "convert-a/conversion.json",
        lambda f: f.update(
            {"convert-a/conversion.json": f["convert-b/conversion.json"],
             "convert-b/conversion.json": f["convert-a/conversion.json"]}
        ),
    ),
    "a file gone": ("train/training.json", lambda f: f.pop("train/training.json")),
    "a file more": ("train/more.json", lambda f: f.update({"train/more.json": b"{}"})),
    "a file in a file": ("evaluate/a", lambda f: _listed(f, "evaluate/a", "evaluate/a/b")),
    "the public key gone": ("attestation.json", lambda f: f.pop("public_key.pem")),
    "another signature": (
        "attestation.json",
        lambda f: f.update({"attestation.json": f["attestation.json"].replace(b'"sig":"', b'"sig":"AAAA')}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_a_file_that_was_edited(bundles: Bundles, tmp_path: Path, name: str) -> None:
    """The file is named, whatever was done to it; the rest of the archive is as a writer makes it."""
    files = read_files(bundles.signed)
    where, edit = EDITS[name]
    edit(files)
    assert where in refused_at(prove(write_files(tmp_path / "x.zip", files)))


def test_another_key(bundles: Bundles, tmp_path: Path) -> None:
    """A bundle that is signed anew by a forger is consistent, and is not by the key that is trusted."""
    signing.make_key(tmp_path / "forger")
    forger = signing.read_private_key(tmp_path / "forger")
    files = read_files(bundles.signed)
    payload = base64.b64decode(json.loads(files["attestation.json"])["payload"])
    files["attestation.json"], files["public_key.pem"] = signing.sign(payload, forger)
    path = write_files(tmp_path / "x.zip", files)
    assert prove(path).signing == Signing.SIGNED
    proof = prove(path, bundles.key_id)
    assert (refused_at(proof), proof.signing) == ("attestation.json", Signing.WRONG)


def test_a_signature_that_was_removed(bundles: Bundles) -> None:
    """A bundle without a signature does not do where a key is asked for."""
    proof = prove(bundles.unsigned, bundles.key_id)
    assert (refused_at(proof), proof.signing) == ("attestation.json", Signing.UNSIGNED)


def test_a_signature_of_another_bundle(bundles: Bundles, tmp_path: Path) -> None:
    """A signature is about one index alone."""
    files = read_files(bundles.without_texts)
    signed = read_files(bundles.signed)
    files |= {name: signed[name] for name in ("attestation.json", "public_key.pem")}
    assert refused_at(prove(write_files(tmp_path / "x.zip", files), bundles.key_id)) == "attestation.json"


def _first(lines: list[Any], **wanted: Any) -> Any:
    return next(line for line in lines if all(line[key] == value for key, value in wanted.items()))


def _answer_changed(lines: list[Any]) -> None:
    line = _first(lines, model="b", scoring="generate", predicted="ALLOW")
    line["predicted"] = "REFUSE"


def _answer_and_its_text_changed(lines: list[Any]) -> None:
    line = _first(lines, model="b", scoring="generate", predicted="ALLOW")
    line["predicted"] = line["final"] = "REFUSE"


def _probabilities_changed(lines: list[Any]) -> None:
    line = next(line for line in lines if line["logprobs"])
    line["logprobs"] = {label: 1.01 * value for label, value in line["logprobs"].items()}


def _gold_changed(lines: list[Any]) -> None:
    wrong = next(line for line in lines if line["gold"] != line["predicted"] != "INVALID")
    for line in lines:
        if line["row_id"] == wrong["row_id"]:
            line["gold"] = wrong["predicted"]


def _timing_changed(lines: list[Any]) -> None:
    for line in lines:
        line["latency_ms"] *= 0.5 if line["model"] == "b" else 1


LINES: dict[str, tuple[str, Callable[[list[Any]], list[Any] | None]]] = {
    "an answer changed": (SAMPLES, _answer_changed),
    "an answer and what it rests on changed": (EVALUATION, _answer_and_its_text_changed),
    "probabilities changed": (EVALUATION, _probabilities_changed),
    "a row's class changed": (SAMPLES, _gold_changed),
    "an answer dropped": (SAMPLES, lambda lines: lines[1:]),
    "an answer twice": (SAMPLES, lambda lines: [*lines, lines[-1]]),
    "a row dropped everywhere": (SAMPLES, lambda lines: [x for x in lines if x["row_id"] != lines[0]["row_id"]]),
    "answers in another order": (SAMPLES, lambda lines: lines[1::-1] + lines[2:]),
    "a model's answers dropped": (SAMPLES, lambda lines: [x for x in lines if x["quantization"] != "q8_0"]),
    "faster answers": ("evaluate/asking.json", _timing_changed),
}


@pytest.mark.parametrize("name", LINES)
def test_answers_that_a_forger_changed(bundles: Bundles, tmp_path: Path, name: str) -> None:
    """With every digest made anew, and unsigned: the results do not follow, or the rows are not those of the split."""
    where, change = LINES[name]
    forgery = Forgery(bundles.unsigned).edit_lines(SAMPLES, change).hashed()
    assert refused_at(prove(forgery.write(tmp_path / "x.zip"))).startswith(where)


def _set(*path: str | int, value: Any) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        for part in path[:-1]:
            found = found[part]
        assert found[path[-1]] != value
        found[path[-1]] = value

    return change


NUMBERS: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "an accuracy": (EVALUATION, _set("comparisons", 0, "accuracy_b", value=0.999), "comparisons[0].accuracy_b"),
    "a count": (EVALUATION, _set("cells", 1, "invalid", value=9), "cells[1].invalid"),
    "the gate": (EVALUATION, _set("gate", "result", value="pass"), "gate.result"),
    "a clause": (EVALUATION, _set("gate", "clauses", 0, "result", value="undecided"), "gate.clauses[0].result"),
    "a p value": (EVALUATION, _set("comparisons", 1, "p_value", value=0.5), "comparisons[1].p_value"),
    "the baseline": (EVALUATION, _set("baseline", "macro_f1", value=0.77), "baseline.macro_f1"),
    "the plan": (EVALUATION, _set("plan", "gate_can_pass", value=None), "plan.gate_can_pass"),
    "the sentence": (RESULTS, _set("summary", value="B is far better."), "summary"),
    "the results' gate": (RESULTS, _set("evaluation", "gate", "result", value="pass"), "evaluation.gate.result"),
    "the rows trained on": (RESULTS, _set("training", "rows", value=9), "training.rows"),
    "a GGUF file's digest": (
        RESULTS,
        _set("conversion", "convert-b", "files", 0, "sha256", value="0" * 64),
        "conversion",
    ),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_result_that_a_forger_changed(bundles: Bundles, tmp_path: Path, name: str) -> None:
    """The file and the place in it are named."""
    file, change, place = NUMBERS[name]
    forgery = Forgery(bundles.unsigned).edit(file, change).hashed()
    assert refused_at(prove(forgery.write(tmp_path / "x.zip"))).startswith(f"{file}: {place}")


def test_the_last_bits_may_be_rounded_otherwise(bundles: Bundles, tmp_path: Path) -> None:
    """Another processor is no forger."""

    def nudge(found: Any) -> None:
        found["cells"][0]["macro_f1"] *= 1 + 1e-12

    forgery = Forgery(bundles.unsigned).edit(EVALUATION, nudge).edit(RESULTS, lambda r: nudge(r["evaluation"])).hashed()
    assert prove(forgery.write(tmp_path / "x.zip")).proven


def test_a_milder_gate(bundles: Bundles, tmp_path: Path) -> None:
    """A configuration with other bounds is not that with which conclude was run."""
    mild = _set("ab_test", "gate", 2, "at_most", value=0.9)
    proof = prove(Forgery(bundles.unsigned).edit("configuration.json", mild).write(tmp_path / "x.zip"))
    assert refused_at(proof) == "configuration.json: ab_test.gate"


def test_another_model(bundles: Bundles, tmp_path: Path) -> None:
    """The file that was asked must be the one that was made."""
    other = _set("models", 0, "sha256", value="0" * 64)
    forgery = Forgery(bundles.unsigned).edit("import/registry.json", other).hashed()
    assert refused_at(prove(forgery.write(tmp_path / "x.zip"))).startswith("import/registry.json: a:q8_0")


@pytest.mark.parametrize("side", ["a", "b"])
def test_figures_of_another_file(bundles: Bundles, tmp_path: Path, side: str) -> None:
    """What was verified must be the file that was made, by its digest."""
    name = f"import/verify_{side}.json"
    forgery = Forgery(bundles.unsigned).edit(name, _set("files", 1, "sha256", value="0" * 64)).hashed()
    assert refused_at(prove(forgery.write(tmp_path / "x.zip"))) == f"{name}: model_{side}_q4_k_m.gguf"


def test_a_manifest_of_other_files(bundles: Bundles, tmp_path: Path) -> None:
    """A stage's key says from what it was made."""

    def change(manifest: Any) -> None:
        manifest["files"][0]["sha256"] = "0" * 64

    forgery = Forgery(bundles.unsigned).edit("convert-b/manifest.json", change)
    assert not prove(forgery.write(tmp_path / "x.zip")).proven


@pytest.mark.parametrize("stage", ["evaluate", "conclude", "report"])
def test_another_version_of_a_stage(bundles: Bundles, tmp_path: Path, stage: str) -> None:
    """Not decided, not wrong: digests are compared all the same, and nothing is computed."""
    forgery = Forgery(bundles.unsigned).edit(f"{stage}/manifest.json", _set("key", "version", value=99)).hashed()
    proof = prove(forgery.write(tmp_path / "x.zip"))
    assert (proof.faults, proof.recomputed, proof.proven) == ([], 0, False)
    assert [sentence.partition(":")[0] for sentence in proof.undecided] == [stage]


def test_a_bundle_of_a_newer_version(bundles: Bundles, tmp_path: Path) -> None:
    """Its form is not known, so nothing is said of it."""
    files = read_files(bundles.unsigned)
    index = json.loads(files["bundle.json"])
    files["bundle.json"] = canonical_json({**index, "schema_version": 2, "more": 1})
    proof = prove(write_files(tmp_path / "x.zip", files))
    assert (proof.faults, len(proof.undecided), proof.proven) == ([], 1, False)
