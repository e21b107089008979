"""`ab_test.ladder` in containers: the stage evaluate climbs with torch, in an image of its own."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.compose.stack import SERVICES, Stack
from tests.integration.workspace import message_of
from tests.messages import Said

from so8t_shared.results.ladder import LadderResult

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def laddered(finished: tuple[Stack, str]) -> tuple[Stack, dict[str, str]]:
    """A stack with models, and variables for another session with a ladder, whose results lie apart."""
    stack, _ = finished
    raw = yaml.safe_load((stack.folder / "configs" / "tiny.yaml").read_text())
    raw["ab_test"]["ladder"] = True
    (stack.folder / "configs" / "ladder.yaml").write_text(yaml.safe_dump(raw))
    (stack.folder / "laddered").mkdir()
    (stack.folder / "laddered").chmod(0o777)
    return stack, {"SO8T_CONFIG": "configs/ladder.yaml", "SO8T_RESULTS": str(stack.folder / "laddered")}


def test_compose_alone_names_the_variable(laddered: tuple[Stack, dict[str, str]], said: Said) -> None:
    """It knows no configuration, so the evaluator comes without torch: 2, before it waits, and what to set."""
    stack, variables = laddered
    done = stack.compose("run", "--rm", "evaluator", check=False, **variables)
    said(message_of(done, 2))


def test_up_climbs(laddered: tuple[Stack, dict[str, str]]) -> None:
    """`so8t-ab up` chooses the image by the configuration; every rung is measured, and the report shows the ladder."""
    stack, variables = laddered
    stack.up(**variables)
    assert stack.states() == dict.fromkeys(SERVICES, ("exited", 0))
    assert stack.inspect("evaluator")["Config"]["Image"].startswith("so8t-ab/climber:")
    [folder] = (stack.folder / "laddered" / "ab_test_results").iterdir()
    (ladder,) = LadderResult.read(folder / "ladder.json").ladders
    assert (ladder.side, ladder.lost_at) == ("b", None), ladder.sentence
    assert [rung.name for rung in ladder.rungs] == ["trained", "merged", "f16", "q8_0", "ollama"]
    assert ladder.sentence.split(";")[0] in (folder / "report.html").read_text("utf-8")
    assert json.loads((folder / "ab_test_results.json").read_text())["evaluation"]["engine"]["name"] == "ollama"


def test_the_image_that_env_names_climbs(laddered: tuple[Stack, dict[str, str]]) -> None:
    """With the variable that the message names, compose alone finds the finished work and repeats none."""
    stack, variables = laddered
    done = stack.compose("run", "--rm", "evaluator", SO8T_EVALUATOR="climber", **variables)
    assert "evaluate: reused" in done.stdout, done.stdout + done.stderr
