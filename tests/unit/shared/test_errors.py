"""The tree of errors: exit codes as documented, messages in the promised order."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from so8t_shared import errors
from so8t_shared.errors import IntegrityError, So8tError

_LINE = re.compile(r"^ [ |-]+(?P<name>[A-Z]\w+) +(?P<code>\d+)  \S")


def _documented() -> dict[str, tuple[int, str | None]]:
    """Class name to (exit code, parent) as the module's docstring draws them."""
    found: dict[str, tuple[int, str | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := _LINE.match(line):
            depth = (match.start("name") - 4) // 3
            path[depth:] = [match["name"]]
            found[match["name"]] = (int(match["code"]), path[depth - 1] if depth else None)
    return found


def _real() -> dict[str, type[So8tError]]:
    return {n: c for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, So8tError)}


def test_the_tree_is_the_documented_one() -> None:
    """Names, exit codes and parents in the docstring are those of the classes, none missing on either side."""
    parents = {n: (c.exit_code, c.__base__.__name__ if c is not So8tError else None) for n, c in _real().items()}
    assert _documented() == parents
    assert len(parents) >= 10


def test_what_is_newer_is_not_damaged() -> None:
    """Code that makes damaged things anew cannot catch NewerFormat by accident; its exit code is the same."""
    assert not issubclass(errors.NewerFormat, IntegrityError)
    assert (errors.NewerFormat.exit_code, errors.NewerFormat.retryable) == (5, False)


def test_exit_codes_are_the_contract() -> None:
    """1 unexpected, 2 config and input, 3 upstream, 4 server, 5 integrity, 10 gate, 75 interrupted."""
    codes = {name: code for name, (code, _) in _documented().items()}
    assert set(codes.values()) == {1, 2, 3, 4, 5, 10, 75}
    assert codes["ConfigError"] == codes["InputError"] == codes["StorageError"] == 2
    assert (codes["UpstreamError"], codes["ServerError"], codes["IntegrityError"]) == (3, 4, 5)
    assert (codes["GateRefused"], codes["Interrupted"], codes["LeaseLost"]) == (10, 75, 75)


def test_only_faults_of_the_surroundings_are_retryable() -> None:
    """What a person has to mend (configuration, input, a full disk) stays; a silent server, a signal may pass."""
    retryable = {name for name, kind in _real().items() if kind.retryable}
    documented = {"ServerError", "IntegrityError", "Interrupted", "LeaseLost"}
    assert documented <= retryable
    assert not retryable & {"So8tError", "ConfigError", "InputError", "StorageError", "UpstreamError", "GateRefused"}


def test_no_restart_mends_what_ends_with_2() -> None:
    """`so8t-ab up` gives a stage up that ends with 2, and so do the stages that wait for it."""
    assert [name for name, kind in _real().items() if kind.exit_code == 2 and kind.retryable] == []


def test_every_class_has_a_sentence() -> None:
    """Each class says what it means."""
    assert [name for name, kind in _real().items() if not (kind.__doc__ or "").strip().endswith(".")] == []


def test_the_module_imports_nothing() -> None:
    """Errors can be raised from anywhere, so their module depends on nothing."""
    tree = ast.parse(Path(errors.__file__).read_text(encoding="utf-8"))
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert modules == {"__future__"}
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import)]


def test_what_where_remedy_in_that_order() -> None:
    """The message has three lines; empty parts are left out."""
    error = IntegrityError("It broke.", where="there", remedy="mend it")
    assert str(error) == "It broke.\n  where: there\n  to do: mend it"
    assert IntegrityError("It broke.", remedy="mend it").lines() == ["It broke.", "  to do: mend it"]
    assert str(IntegrityError("It broke.")) == "It broke."


@pytest.mark.parametrize("kind", sorted(_real()))
def test_every_class_can_be_raised_alike(kind: str) -> None:
    """All take the same arguments and are caught as So8tError."""
    with pytest.raises(So8tError) as caught:
        raise _real()[kind]("what", where="where", remedy="remedy")
    assert (caught.value.what, caught.value.where, caught.value.remedy) == ("what", "where", "remedy")


def test_a_file_name_that_is_not_text_can_be_shown() -> None:
    """A path with bytes that are no UTF-8 makes a message that can be written anywhere."""
    path = b"/data/r\xe9sum\xe9.jsonl".decode("utf-8", "surrogateescape")
    assert "sum" in str(IntegrityError("x", where=path)).encode("utf-8").decode()
