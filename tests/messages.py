"""What errors and commands say: tests assert type, place and exit code; the words are in messages.yaml alone.

    with said.raised(InputError, where=str(path)):     # its words are compared with the test's block
        check(path)
    said(done.err)                                     # so is any other text

`pytest --update-messages` writes the blocks of the tests that ran. A block without a test, or with more messages than
its test says, is a failure. Paths, ports and hashes are replaced by names, and so is any value given by keyword.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from so8t_shared.errors import So8tError

ROOT = Path(__file__).resolve().parents[1]
FILE = Path(__file__).with_suffix(".yaml")
_HEAD = "# What tests heard, a block per test: see messages.py. `pytest --update-messages` writes this file.\n"
_VARYING = (
    (re.escape(str(ROOT)), "<root>"),
    (r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b", "<hash>"),
    (r"\btest-[0-9a-f]{8}\b", "test-<id>"),
    (r"\b\d{8}_\d{6}(_\w+)?\b", "<session>"),
    (r"(127\.0\.0\.1|localhost):\d{4,5}\b", r"\1:<port>"),
    (r" +$", ""),
)
_SELECTING = ("keyword", "markexpr", "deselect", "lf", "stepwise")


class Said:
    """What one test has heard so far, compared with its block."""

    def __init__(self, item: pytest.Item, folder: Path, everything: Path) -> None:
        self.heard: list[str] = []
        self.expected: list[str] | None = None if item.config.option.update_messages else _stored().get(item.nodeid, [])
        self._folders = (
            (re.escape(str(folder)), "<tmp>"),
            (rf"{re.escape(str(everything))}/([\w-]+?)\d+\b", r"<tmp of \1>"),
        )
        item.user_properties.append(("heard", self.heard))

    def __call__(self, message: BaseException | str, **names: object) -> None:
        """Compare an error or a text; each of `names` is a value that differs from run to run."""
        text = str(message)
        for pattern, name in (*((_whole(v), f"<{k}>") for k, v in names.items()), *self._folders, *_VARYING):
            text = re.sub(pattern, name, text, flags=re.MULTILINE)
        self.heard.append(text.strip("\n"))
        if self.expected is not None:
            stored = self.expected[len(self.heard) - 1 : len(self.heard)]
            assert stored == [self.heard[-1]], f"{FILE.name} has other words; is the change meant: --update-messages"

    @contextmanager
    def raised(
        self, kind: type[BaseException], where: str | None = None, **names: object
    ) -> Iterator[pytest.ExceptionInfo[Any]]:
        """Expect an error of this kind, at this place if one is given, with the words that are stored."""
        with pytest.raises(kind) as caught:
            yield caught
        if where is not None:
            assert isinstance(caught.value, So8tError)
            assert caught.value.where == where
        self(caught.value, **names)


def _whole(value: object) -> str:
    """Matches a value that stands alone: the seconds of "after 5 s" are not a digit of a port."""
    return rf"(?<!\w){re.escape(str(value))}(?!\w)"


@pytest.fixture
def said(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Said:
    """Compares messages with those in messages.yaml."""
    return Said(request.node, tmp_path, tmp_path_factory.getbasetemp())


@cache
def _stored() -> dict[str, list[str]]:
    text = FILE.read_text("utf-8") if FILE.exists() else ""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The switch that writes the file."""
    parser.addoption("--update-messages", action="store_true", help="write what tests heard to tests/messages.yaml")


def pytest_configure(config: pytest.Config) -> None:
    """Only the main process knows what all tests heard."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Blocks(config))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test that passed has heard all that is stored for it."""
    result = yield
    said = pyfuncitem.funcargs.get("said")
    if isinstance(said, Said) and said.expected is not None:
        assert said.expected[len(said.heard) :] == [], f"{FILE.name} has more: --update-messages"
    return result


class _Blocks:
    """What all tests of this run heard; a report carries it from a worker to here."""

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._update: bool = config.option.update_messages
        self._whole_files = not any(getattr(config.option, name, None) for name in _SELECTING)
        self._whole_files &= not any("::" in argument for argument in config.args)
        self._heard: dict[str, list[str]] = {}
        self._stale: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that was skipped or failed keeps its block."""
        if not report.passed:
            self._heard[report.nodeid] = _stored().get(report.nodeid, [])
        elif report.when == "call":
            self._heard[report.nodeid] = next((said for name, said in report.user_properties if name == "heard"), [])

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the file, or fail for blocks that no test is for."""
        if self._update:
            blocks = {**_stored(), **self._heard}
            for name in self._without_test():
                del blocks[name]
            _write({name: heard for name, heard in sorted(blocks.items()) if heard})
        elif exitstatus == pytest.ExitCode.OK:
            self._stale = self._without_test()
            session.exitstatus = pytest.ExitCode.TESTS_FAILED if self._stale else exitstatus

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the blocks."""
        for name in self._stale:
            terminalreporter.write_line(f"FAILED {FILE.name}: no test is called {name}: --update-messages", red=True)

    def _without_test(self) -> list[str]:
        files = {name.split("::")[0] for name in self._heard} if self._whole_files else set()
        gone = {name for name in (n.split("::")[0] for n in _stored()) if not (self._root / name).is_file()}
        return [n for n in _stored() if not self._heard.get(n) and n.split("::")[0] in files | gone]


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def check_simple_key(self) -> bool:
        return True  # names of tests are keys, however long they are


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _write(blocks: dict[str, list[str]]) -> None:
    text = yaml.dump(blocks, Dumper=_Dumper, allow_unicode=True, width=10**6, sort_keys=False)
    FILE.write_text(_HEAD + re.sub(r"^(?=\S)", "\n", text, flags=re.MULTILINE), "utf-8")
