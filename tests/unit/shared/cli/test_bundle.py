"""`so8t-ab bundle`, from options to exit codes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.bundled import Bundles
from tests.unit.shared.bundles.finished import TEXT, Finished
from tests.unit.shared.bundles.tampering import Forgery, prove
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.results.bundle import Signing


@pytest.fixture
def config(finished: Finished) -> Path:
    return finished.config_file


def test_a_signed_bundle(cli: Cli, config: Path, tmp_path: Path, said: Said) -> None:
    """A key, and a bundle of the configuration's session that it signed, for its owner alone."""
    key = tmp_path / "release.key"
    made = cli("bundle", "key", "-o", key)
    assert (made.code, made.err) == (0, "")
    said(made.out)
    path = tmp_path / "evidence.zip"
    done = cli("bundle", "-c", config, "-o", path, "--key", key)
    assert (done.code, done.err) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    proof = prove(path)
    assert (proof.signing, proof.session_id) == (Signing.SIGNED, "finished")
    assert proof.key_id in made.out


def test_an_unsigned_bundle_of_a_named_session(cli: Cli, config: Path, bundles: Bundles, tmp_path: Path) -> None:
    """It says that it is unsigned; --without-texts leaves none."""
    path = tmp_path / "evidence.zip"
    done = cli("bundle", "-c", config, "--session", "finished", "-o", path)
    assert (done.code, done.err.startswith("note: ")) == (0, True)
    assert path.read_bytes() == bundles.unsigned.read_bytes()
    done = cli("bundle", "-c", config, "-o", path, "--without-texts")
    assert done.code == 0
    assert path.read_bytes() == bundles.without_texts.read_bytes()
    assert TEXT.encode() not in b"".join(Forgery(path).files.values())


@pytest.mark.parametrize(
    ("options", "where"),
    [(["-o", "x.zip"], "--config"), (["-c", "CONFIG"], "--output"), (["-c", "CONFIG", "-o", "x", "--key", "no"], "no")],
)
def test_wrong_options(cli: Cli, config: Path, said: Said, options: list[str], where: str) -> None:
    """Nothing is written; the option that is missing or wrong is named."""
    done = cli("bundle", *(str(config) if option == "CONFIG" else option for option in options))
    assert (done.code, done.out) == (2, "")
    assert f"where: {where}\n" in done.err
    said(done.err)


def test_a_session_that_is_not_there(cli: Cli, config: Path, tmp_path: Path) -> None:
    """Exit code 2, and no file."""
    done = cli("bundle", "-c", config, "--session", "other", "-o", tmp_path / "x.zip")
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_card(cli: Cli, bundles: Bundles, tmp_path: Path) -> None:
    """Both languages; results for the hub only where it has a benchmark for them."""
    done = cli("bundle", "card", bundles.signed, "-o", tmp_path / "card")
    assert (done.code, done.err.count("note: ")) == (0, 1)
    assert {path.name for path in (tmp_path / "card").iterdir()} == {"README.md", "README.ja.md"}
    done = cli("bundle", "card", bundles.signed, "-o", tmp_path / "card", "--dataset", "me/rows", "--task", "four")
    assert (done.code, done.err) == (0, "")
    assert [path.name for path in (tmp_path / "card/.eval_results").iterdir()] == ["so8t-ab.yaml"]


@pytest.mark.parametrize(
    "option", [("--dataset", "rows"), ("--base-model", "a/b/c"), ("--license", "x y"), ("--task", "")]
)
def test_names_that_no_hub_has(cli: Cli, bundles: Bundles, tmp_path: Path, option: tuple[str, str]) -> None:
    """The option is named, and nothing written."""
    done = cli("bundle", "card", bundles.signed, "-o", tmp_path / "card", *option)
    assert done.code == 2
    assert f"where: {option[0]}\n" in done.err
    assert list(tmp_path.iterdir()) == []


def test_no_card_of_a_bundle_that_was_edited(cli: Cli, bundles: Bundles, tmp_path: Path, said: Said) -> None:
    """A card repeats no figure that does not follow from the answers."""

    def better(found: dict[str, dict[str, str]]) -> None:
        found["gate"]["result"] = "pass"

    path = Forgery(bundles.unsigned).edit("conclude/evaluation.json", better).hashed().write(tmp_path / "x.zip")
    done = cli("bundle", "card", path, "-o", tmp_path / "card")
    assert done.code == 5
    assert not (tmp_path / "card").exists()
    said(done.err)
