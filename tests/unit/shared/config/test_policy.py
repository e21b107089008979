"""Targets of thresholds: what is accepted, and what is refused with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.shared.config.conftest import MINIMAL, Refused, keys_of, write

from so8t_shared.config.load import load_config
from so8t_shared.config.model import Config
from so8t_shared.places import modelfile, modelfile_name, policy_file
from so8t_shared.tables import layouts


def _file(tmp_path: Path, **ab_test: Any) -> Path:
    return write(tmp_path, MINIMAL + yaml.safe_dump({"ab_test": ab_test}))


@pytest.mark.parametrize(
    "settings",
    [
        {"policy": {"false_allow": 0.02}, "scoring": ["generate", "constrained"]},
        {"policy": {"escalate": 0.15}},
        {"policy": {"false_allow": 2}},
        {"policy": {"false_allow": 0.02, "escalate": 0}},
        {"policy": {"false_alow": 0.02, "false_allow": 0.02}},
    ],
)
def test_what_cannot_be_fitted(tmp_path: Path, settings: dict[str, Any], refused: Refused) -> None:
    """Without probabilities, without a bound on false allows, or with a share that is none: exit code 2, one fault."""
    (key,) = keys_of(refused(_file(tmp_path, **settings)))
    assert key.startswith("ab_test")


def test_off_by_default(tmp_path: Path) -> None:
    """Nothing is fitted unless targets are given; escalations may be left open."""
    assert load_config(_file(tmp_path)).ab_test.policy is None
    policy = load_config(_file(tmp_path, policy={"false_allow": 0.02})).ab_test.policy
    assert policy is not None
    assert (policy.false_allow, policy.escalate) == (0.02, None)


@pytest.mark.parametrize("layout", list(layouts.BY_NAME))
def test_beside_the_modelfiles(layout: str) -> None:
    """The policy lies where model B's Modelfiles lie; nothing is handed over where they are not."""
    config = Config.model_validate(
        {"model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}, "output_layout": layout}
    )
    beside = modelfile(config, "s", modelfile_name(config.ollama.model_b_name, "f16"))
    found = policy_file(config, "s", "")
    assert (found and found.parent) == (beside and beside.parent)
    assert found is None or found.name == "policy.json"
    assert policy_file(config, "s", ".bak") is None
