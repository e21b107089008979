"""The statement that a bundle's signature is about."""

from __future__ import annotations

import hashlib
from typing import Any

from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.bundles.contents import INDEX_FILE
from so8t_shared.canonical import canonical_json
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.gate import Decision

TESTED_BY = CONVERTED_BY["b"]
"""The stage whose files the test is about."""


def statement(index: bytes, converted: Manifest, evaluation: dict[str, Any]) -> bytes:
    """Say that model B's GGUF files passed the gate, or did not, on the evidence in this bundle.json.

    Raises:
        KeyError, TypeError: the evaluation has no gate.
    """
    gate = evaluation["gate"]
    tests: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for clause in gate["clauses"]:
        passed = clause["result"] == Decision.PASS
        kind = "passedTests" if passed else "failedTests" if clause["required"] else "warnedTests"
        tests[kind].append(clause["name"])
    files = [(entry.path, entry.sha256) for entry in converted.files if entry.path.endswith(".gguf")]
    return canonical_json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in files],
            "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
            "predicate": {
                "result": "PASSED" if gate["result"] == Decision.PASS else "FAILED",
                "configuration": [{"name": INDEX_FILE, "digest": {"sha256": hashlib.sha256(index).hexdigest()}}],
                **tests,
            },
        }
    )
