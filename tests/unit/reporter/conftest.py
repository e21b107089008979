"""One set of upstream folders and one rendered report, shared by the tests; both are read only."""

from __future__ import annotations

import pytest
from tests.unit.reporter.builders import Scenario
from tests.unit.reporter.builders_upstream import Folders, write_folders
from tests.unit.reporter.rendering import Rendered, read, render

from so8t_reporter.document import Report
from so8t_reporter.inputs import ReportInputs

SPARSE = Scenario(
    b_copies_a=True,
    support={"ALLOW": 9, "ESCALATION": 8, "DENY": 0, "REFUSE": 8},
    quantizations=("q8_0",),
    scorings=("generate",),
    control=False,
    baseline=False,
    timed=False,
    sliced=False,
)
"""As little as an evaluation can hold: one setting, a class without rows, no timing, no control, rows all of a kind."""


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Upstream folders of a run in which B is better."""
    return write_folders(tmp_path_factory.mktemp("upstream"))


@pytest.fixture(scope="session")
def inputs(folders: Folders) -> ReportInputs:
    """What is read from them."""
    return read(folders)


@pytest.fixture(scope="session")
def sparse_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Upstream folders of an untrained run with hardly any measurement."""
    return write_folders(tmp_path_factory.mktemp("sparse"), SPARSE, steps=0)


@pytest.fixture(scope="session")
def sparse(sparse_folders: Folders) -> ReportInputs:
    """What is read from them."""
    return read(sparse_folders)


@pytest.fixture(scope="session")
def rendered(inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """The whole report of `inputs`, pictures small."""
    return render(inputs, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def sparse_rendered(sparse: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """The whole report of `sparse`."""
    return render(sparse, tmp_path_factory.mktemp("sparse-report"))


@pytest.fixture(scope="session")
def report(rendered: Rendered) -> Report:
    """The document behind `rendered`."""
    return rendered.report
