"""`so8t-ab think token`."""

from __future__ import annotations

from pathlib import Path

from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.client_tokens import hash_of, read_tokens


def test_add_list_remove(cli: Cli, config_file: Path, tmp_path: Path, said: Said) -> None:
    """The token is the only line on standard output, once; the list shows names and limits."""
    path = tmp_path / "tokens.json"
    options = ("-c", config_file, "--set", f"think.tokens_file={path}")
    done = cli("think", "token", "add", "web", *options, "--per-minute", "30", "--concurrency", "3")
    [token] = read_tokens(path).tokens
    assert (done.code, hash_of(done.out.strip())) == (0, token.sha256)
    assert (token.requests_per_minute, token.concurrency) == (30, 3)
    said(done.err)
    listed = cli("think", "token", "list", *options).out
    assert listed.splitlines()[1].split()[0::4] == ["web", "3"]
    assert done.out.strip() not in listed
    assert token.sha256 not in listed
    assert cli("think", "token", "remove", "web", *options).out == "removed: web\n"
    assert read_tokens(path).tokens == []
    assert cli("think", "token", "remove", "web", *options).code == 2


def test_without_a_file(cli: Cli, config_file: Path, said: Said) -> None:
    """Exit code 2, and the key that names it."""
    done = cli("think", "token", "list", "-c", config_file)
    assert done.code == 2
    said(done.err)


def test_think_needs_a_configuration(cli: Cli, said: Said) -> None:
    """Exit code 2 with the usage; its own commands name theirs."""
    done = cli("think")
    assert done.code == 2
    said(done.err)
    assert cli("think", "token", "list").code == 2
