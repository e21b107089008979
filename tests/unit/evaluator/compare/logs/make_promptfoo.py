"""Runs promptfoo over the rows: python make_promptfoo.py, with `promptfoo` on PATH."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from rows import ROWS, answer

PROVIDER = """const answers = %s;
module.exports = class { id() { return "%s" } async callApi(prompt) { return { output: answers[prompt.trim()] } } };
"""

for side in "ab":
    answers = {row["text"]: answer(row["text"], side) for row in ROWS}
    Path(f"{side}.js").write_text(PROVIDER % (json.dumps(answers), side))
    tests = [
        {
            "vars": {"id": row["id"], "text": row["text"], "label": row["label"]},
            "metadata": {"group": row["group"], "language": row["language"]},
            "assert": [{"type": "icontains", "value": "{{label}}"}],
        }
        for row in ROWS
    ]
    config = {"providers": [f"file://{side}.js"], "prompts": ["{{text}}"], "tests": tests}
    Path(f"{side}.config.json").write_text(json.dumps(config))
    outputs = ["-o", f"promptfoo_{side}.json", "-o", f"promptfoo_{side}.jsonl"]
    command = ["promptfoo", "eval", "-c", f"{side}.config.json", "--no-cache", "--no-table", "--no-write", *outputs]
    subprocess.run(command, check=False)  # exits with 100 where an assertion fails
