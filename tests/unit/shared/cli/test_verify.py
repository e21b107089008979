"""`so8t-ab verify`, from files to exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.messages import Said
from tests.unit.bundled import Bundles
from tests.unit.shared.bundles.tampering import Forgery
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.core_environment import ROOT, make_core_environment, run_python

from so8t_shared.distribution import version
from so8t_shared.stages import BY_NAME

SCHEMA = ROOT / "docs" / "schema" / "bundle_verify.schema.json"


def test_a_bundle_that_is_right(cli: Cli, bundles: Bundles, said: Said) -> None:
    """What was compared, the gate, and whose signature it is."""
    done = cli("verify", bundles.signed, "--key", f"{bundles.key}.pub")
    assert done.code == 0
    proof = json.loads(cli("verify", bundles.signed, "--json").out)
    said(done.out, values=f"{proof['recomputed']:,}")
    said(done.err)
    said(cli("verify", bundles.signed).err)
    said(cli("verify", bundles.without_texts).err)


def test_the_object_for_programs(cli: Cli, bundles: Bundles) -> None:
    """One object that fits the published schema, and nothing else."""
    done = cli("verify", bundles.without_texts, "--json")
    assert (done.code, done.err) == (0, "")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    found = json.loads(done.out)
    Draft202012Validator(schema).validate(found)
    assert (found["signing"], found["faults"], len(found["not_checked"])) == ("unsigned", [], 3)


def _forged(bundles: Bundles, path: Path) -> Path:
    def change(found: dict[str, list[dict[str, object]]]) -> None:
        found["comparisons"][0]["p_value"] = 0.5
        found["comparisons"][0]["name"] = "\x1b[2J"

    return Forgery(bundles.unsigned).edit("conclude/evaluation.json", change).hashed().write(path)


def test_a_bundle_that_was_edited(cli: Cli, bundles: Bundles, tmp_path: Path, said: Said) -> None:
    """Exit code 5, each place and both values; no foreign byte reaches the terminal."""
    done = cli("verify", _forged(bundles, tmp_path / "x.zip"))
    assert done.code == 5
    assert "\x1b" not in done.out + done.err
    said(done.out)
    said(done.err)
    done = cli("verify", tmp_path / "x.zip", "--json")
    assert (done.code, done.err) == (5, "")
    assert [fault["where"] for fault in json.loads(done.out)["faults"]] == [
        f"conclude/evaluation.json: comparisons[0].{key}" for key in ("name", "p_value")
    ]


def test_another_version(cli: Cli, bundles: Bundles, tmp_path: Path, said: Said) -> None:
    """Not decided is not wrong: exit code 2, and the version that decides."""

    def older(found: dict[str, dict[str, object]]) -> None:
        found["key"]["version"] = 1

    path = Forgery(bundles.unsigned).edit("conclude/manifest.json", older).hashed().write(tmp_path / "x.zip")
    done = cli("verify", path)
    assert done.code == 2
    said(done.err, ours=BY_NAME["conclude"].version, release=version())
    assert cli("verify", path, "--json").code == 2


@pytest.mark.parametrize("content", [b"", b"PK\5\6", b"no archive" * 100, None])
def test_no_bundle(cli: Cli, tmp_path: Path, content: bytes | None) -> None:
    """A file of another kind is refused with 5, one that is missing with 2."""
    path = tmp_path / "x.zip"
    if content is not None:
        path.write_bytes(content)
    done = cli("verify", path)
    assert done.code == (2 if content is None else 5)
    assert str(path) in done.err


def test_a_key_that_is_none(cli: Cli, bundles: Bundles) -> None:
    """The private key verifies nothing."""
    done = cli("verify", bundles.signed, "--key", bundles.key)
    assert done.code == 2
    assert f"where: {bundles.key}" in done.err


def test_without_the_extras(bundles: Bundles, tmp_path: Path) -> None:
    """The core names what is missing, and the command that installs it."""
    core = make_core_environment(tmp_path)
    done = run_python(core, "-m", "so8t_shared.cli", "verify", bundles.signed)
    assert done.returncode == 2
    assert "pip install 'so8t-ab[evaluate,report]'" in done.stderr
