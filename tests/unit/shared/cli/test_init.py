"""`so8t-ab init`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.cli.init import TEMPLATE
from so8t_shared.config.load import load_config
from so8t_shared.config.model import Config
from so8t_shared.config.section import PLACEHOLDER


def test_filled_in_it_is_a_valid_configuration(cli: Cli, tmp_path: Path, said: Said) -> None:
    """The message names the next command; only the places to fill in are faults."""
    file = tmp_path / "mine.yaml"
    done = cli("init", file)
    assert (done.code, done.err) == (0, "")
    said(done.out)
    text = file.read_text(encoding="utf-8")
    check = cli("config", "check", "-c", file)
    places = sum(PLACEHOLDER in line.partition("#")[0] for line in text.splitlines())
    assert (check.code, check.err.count("\n    - "), places) == (2, 4, 4)
    said(check.err)
    file.write_text(text.replace(PLACEHOLDER, "mine"), encoding="utf-8")
    load_config(file, environ={})


def test_the_commands_in_it_name_the_file(cli: Cli, tmp_path: Path) -> None:
    """What the comments say to type can be typed."""
    cli("init", tmp_path / "a b.yaml")
    assert f"so8t-ab run -c '{tmp_path}/a b.yaml'" in (tmp_path / "a b.yaml").read_text(encoding="utf-8")


def test_a_file_is_not_overwritten(cli: Cli, tmp_path: Path, said: Said) -> None:
    """Without --force the user's own file stays; with it, it is the template again."""
    file = tmp_path / "mine.yaml"
    file.write_text("mine: 1\n", encoding="utf-8")
    done = cli("init", file)
    assert done.code == 2
    said(done.err)
    assert file.read_text(encoding="utf-8") == "mine: 1\n"
    assert cli("init", file, "--force").code == 0
    assert PLACEHOLDER in file.read_text(encoding="utf-8")


def test_every_key_of_the_template_exists() -> None:
    """Each key is one of the schema, wherever it stands."""
    schema = Config.model_json_schema()
    for path in _keys(yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))):
        node: Any = schema
        for key in path:
            node = _properties(node, schema)[key]


def _keys(mapping: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in mapping.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _keys(value, (*above, key))


def _properties(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for option in [node, *node.get("anyOf", []), *node.get("allOf", [])]:
        found = schema["$defs"][option["$ref"].rpartition("/")[2]] if "$ref" in option else option
        if "properties" in found:
            return dict(found["properties"])
    raise AssertionError(f"no section: {node}")
