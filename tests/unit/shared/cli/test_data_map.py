"""`so8t-ab data map`."""

from __future__ import annotations

from pathlib import Path

from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli

from so8t_trainer.data.recipes.table import BY_NAME


def test_map(cli: Cli, tmp_path: Path, said: Said) -> None:
    """A row for each original class and what it became; an existing file is not overwritten unless that is asked."""
    file, out = tmp_path / "or-bench-toxic.csv", tmp_path / "rows" / "a.jsonl"
    file.write_text("prompt,category\nx,privacy\ny,illegal\n,illegal\n", encoding="utf-8")
    done = cli("data", "map", "or-bench", file, "-o", out)
    assert (done.code, done.err) == (0, "")
    said(done.out)
    assert sorted(path.name for path in out.parent.iterdir()) == ["a.jsonl", "dataset_card.yaml"]
    again = cli("data", "map", "or-bench", file, "-o", out)
    assert again.code == 2
    said(again.err)
    assert cli("data", "map", "or-bench", file, "-o", out, "--force").code == 0
    assert cli("data", "map", "or-bench", file, "-o", file / "a.jsonl").code == 2


def test_the_help_names_every_recipe(cli: Cli) -> None:
    """As the table does."""
    text = cli("data", "map", "--help").out
    assert [name for name in BY_NAME if name not in text] == []
