"""The table of keys for the docs."""

from __future__ import annotations

from so8t_shared.config.table import config_keys, config_table
from so8t_shared.tables.quantizations import ORDER


def test_one_row_a_key() -> None:
    """Every key once, in order, each with four cells."""
    lines = config_table().splitlines()
    assert lines[0] == "| key | type | default | meaning |"
    assert [line.split("`")[1] for line in lines[2:]] == [key for key, _ in config_keys()]
    assert all(line.replace("\\|", "").count("|") == 5 for line in lines)


def test_types_and_defaults_are_readable() -> None:
    """What a person would write, not Python's names."""
    rows = {line.split("`")[1]: line for line in config_table().splitlines()[2:]}
    assert rows["model_a.base_model"].startswith("| `model_a.base_model` | text | required |")
    assert rows["device"].startswith("| `device` | auto or cpu or cuda | auto |")
    assert rows["training.use_qlora"].startswith("| `training.use_qlora` | true or false | false |")
    assert rows["training.max_steps"].startswith("| `training.max_steps` | integer or null | null |")
    assert rows["gguf.quantizations"].startswith(
        f"| `gguf.quantizations` | list of {' or '.join(ORDER)} | [f16, q8_0, q4_k_m] |"
    )
    assert rows["model_a.description"].startswith('| `model_a.description` | text | "" |')
    assert rows["training.pet.lambdas"].startswith("| `training.pet.lambdas` | list of number | [0.01, 0.05, 0.1] |")
    assert rows["ab_test.gate"].startswith("| `ab_test.gate` | list of clauses | see [the gate](gate.md) |")
    assert rows["ab_test.costs"].startswith("| `ab_test.costs` | section | {ALLOW: {ALLOW: 0, ESCALATION: 1, DENY: 2")
    assert rows["ab_test.prevalence"].startswith("| `ab_test.prevalence` | section or null | null |")
    assert rows["ab_test.test_data"].startswith("| `ab_test.test_data` | text or null | null |")


def test_what_must_be_given() -> None:
    """A key that is needed only inside a section that may be left out is not called required."""
    rows = {line.split("`")[1]: [cell.strip() for cell in line.split("|")] for line in config_table().splitlines()[2:]}
    assert {key for key, cells in rows.items() if cells[3] == "required"} == {"model_a.base_model", "dataset.paths"}
    assert {key for key, cells in rows.items() if cells[3] == "required in the section"} == {
        "ab_test.policy.false_allow",
        "dataset.source.license",
        "dataset.source.provenance",
    }


def test_no_python_inside() -> None:
    """Nothing of the implementation shows."""
    table = config_table()
    assert not [word for word in ("Annotated", "Literal", "<class", "PydanticUndefined", "None") if word in table]
