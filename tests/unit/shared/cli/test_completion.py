"""Shell completion, asked as a shell asks it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def _complete(words: str) -> str:
    environ = {
        **os.environ,
        "_SO8T_AB_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    command = [sys.executable, "-c", "from so8t_shared.cli.main import script; script()"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("so8t-ab ", {"demo", "init", "run", "plan", "status", "artifacts"}),
        ("so8t-ab run --", {"--config", "--gate", "--from", "--new-session"}),
        ("so8t-ab artifacts g", {"get", "gc"}),
    ],
)
def test_commands_and_options(words: str, expected: set[str]) -> None:
    """The command's own, and nothing else is printed."""
    found = set(_complete(words).split())
    assert expected <= found
    last = words.rpartition(" ")[2]
    assert all(word.startswith(last) for word in found)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(shell: str) -> None:
    """--show-completion prints what --install-completion would write."""
    code = "import sys; from so8t_shared.cli.main import main; sys.exit(main(['--show-completion', sys.argv[1]]))"
    environ = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # typer's own way to name the shell
    command = [sys.executable, "-c", code, shell]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "_SO8T_AB_COMPLETE" in done.stdout) == (0, True), done.stderr
