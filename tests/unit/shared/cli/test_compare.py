"""`so8t-ab compare`, from files to exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.messages import Said
from tests.unit.evaluator.compare.material import LOGS, gold, make_rows, mostly_right, write
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.core_environment import ROOT, make_core_environment, run_python

from so8t_shared.results.compare import CompareResult

N = 400
SCHEMA = ROOT / "docs" / "schema" / "compare.schema.json"
FEW = ("--set", "bootstrap_resamples=100")


@pytest.fixture
def a(tmp_path: Path) -> Path:
    return write(tmp_path / "a.jsonl", make_rows(mostly_right(N, 0.7, 1), category=["\x1b[2J"] * 5 + ["x"] * (N - 5)))


@pytest.fixture
def b(tmp_path: Path) -> Path:
    return write(tmp_path / "b.jsonl", make_rows(mostly_right(N, 0.97, 2), group=[f"t{i // 2}" for i in range(N)]))


def test_the_object_for_programs(cli: Cli, a: Path, b: Path) -> None:
    """One object that fits the published schema, with the keys that others rely on, and nothing else."""
    done = cli("compare", a, b, "--json", *FEW)
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    found = json.loads(done.out)
    schema = json.loads(SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(found)
    assert found["verdict"] == "b_better"
    assert set(found["difference"]) >= {"value", "low", "high"}
    assert (found["groups"], found["gate"]["result"], found["n"]) == (N // 2, "pass", N)
    assert found["p"] < 0.001 < 1 <= found["design_effect"]
    assert {rate["metric"] for rate in found["rates"]} > {"false_allow", "over_refusal"}
    assert CompareResult.from_bytes(done.out, "output").to_bytes()


def test_the_tables_for_people(cli: Cli, a: Path, b: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdict, rates, clauses and what to do, in 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    done = cli("compare", a, b, *FEW)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "B is better than A"
    assert max(map(len, lines)) <= 80 or str(a) in max(lines, key=len)
    assert any(line.startswith("False allow ") for line in lines)
    assert "gate: pass" in done.out
    assert lines[-1] == "B may ship under this gate."
    assert "\x1b" not in done.out


def test_the_gate_decides_the_exit_code(cli: Cli, a: Path, b: Path, said: Said) -> None:
    """10 where a required clause fails or is undecided, with the tables or the object before it."""
    worse = cli("compare", b, a, *FEW)
    assert (worse.code, worse.out.splitlines()[0]) == (10, "A is better than B")
    said(worse.err)
    assert worse.out.splitlines()[-1].startswith("Do not ship B")
    same = cli("compare", a, a, "--json", *FEW)
    found = json.loads(same.out)
    assert (same.code, found["verdict"], found["gate"]["result"]) == (10, "no_difference", "undecided")


GATES = {
    "list": "- {name: x, metric: accuracy, at_least: 0.5}\n",
    "key": "gate:\n- {name: x, metric: accuracy, at_least: 0.5}\nconfidence: 0.9\n",
    "configuration": "model_a: {base_model: m}\nab_test:\n  gate: [{name: x, metric: accuracy, at_least: 0.5}]\n",
}


@pytest.mark.parametrize("form", GATES)
def test_forms_of_a_gate(cli: Cli, a: Path, tmp_path: Path, form: str) -> None:
    """A list of clauses, keys of ab_test, a whole configuration."""
    gate = tmp_path / "gate.yaml"
    gate.write_text(GATES[form])
    done = cli("compare", a, a, "--gate", gate, "--json", *FEW)
    assert done.code == 0
    found = json.loads(done.out)
    assert [clause["name"] for clause in found["gate"]["clauses"]] == ["x"]
    assert found["confidence"] == (0.9 if form == "key" else 0.95)


def test_an_empty_gate_is_the_default(cli: Cli, a: Path, b: Path, tmp_path: Path) -> None:
    """As if there were no file."""
    gate = tmp_path / "gate.yaml"
    gate.write_text("")
    found = [json.loads(cli("compare", a, b, "--json", *FEW, *more).out) for more in ((), ("--gate", gate))]
    assert found[0] == found[1]
    assert len(found[0]["gate"]["clauses"]) >= 8


def test_unusable_input(cli: Cli, a: Path, tmp_path: Path, said: Said) -> None:
    """Exit code 2 and nothing on standard output, whatever is asked for."""
    other = write(tmp_path / "other.jsonl", [{"id": "\x1b[2J", "gold": "DENY", "predicted": "\x9b2J"}])
    done = cli("compare", a, other, "--json")
    assert (done.code, done.out) == (2, "")
    assert "\x1b" not in done.err
    said(done.err)


@pytest.mark.parametrize(
    "options",
    [
        ("--reader", "csv"),
        ("--field", "gold"),
        ("--field", "label=x"),
        ("--set", "engine=ollama"),
        ("--set", "confidence=2"),
        ("--set", "gate=[{name: x, metric: unread}]"),
        ("--gate", "{gate}"),
        ("--gate", "none.yaml"),
    ],
    ids=lambda options: " ".join(options),
)
def test_wrong_options(cli: Cli, a: Path, tmp_path: Path, said: Said, options: tuple[str, ...]) -> None:
    """Exit code 2 and a message that says what to write."""
    gate = tmp_path / "gate.yaml"
    gate.write_text("just text\n")
    done = cli("compare", a, a, *(option.replace("{gate}", str(gate)) for option in options))
    assert (done.code, done.out) == (2, "")
    said(done.err)


def test_logs_of_other_tools(cli: Cli) -> None:
    """A's and B's answers may come from different tools; --field and --reader reach into them."""
    left, right = LOGS / "lm_eval_written_a.jsonl", LOGS / "inspect_b.eval"
    found = json.loads(cli("compare", left, right, "--json", *FEW).out)
    assert [found["models"][side]["log"]["reader"] for side in "ab"] == ["lm-eval", "inspect"]
    assert (found["n"], found["groups"]) == (8, 4)
    left = LOGS / "lm_eval_choice_a.jsonl"
    fields = ["--field", "gold=doc.label", "--field", "category=doc.language"]
    found = json.loads(cli("compare", left, left, "--json", "--reader", "lm-eval", *fields, *FEW).out)
    assert {rate["value"] for rate in found["rates"] if rate["by"] == "category"} == {"en", "ja"}


def test_without_the_extra(tmp_path: Path) -> None:
    """An installation without the evaluator's packages says how to get them."""
    core = make_core_environment(tmp_path)
    file = write(tmp_path / "a.jsonl", make_rows(gold(4)))
    done = run_python(core, "-m", "so8t_shared.cli", "compare", file, file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "  to do: pip install 'so8t-ab[evaluate]'"
