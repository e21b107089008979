"""The JSON Schema of ab_test_results.json.

    python -m so8t_reporter.results_schema docs/schema/ab_test_results.schema.json

writes it; without an argument it is printed. A test checks that the published file is up to date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from so8t_shared.documents import Document
from so8t_shared.files import write_atomically
from so8t_shared.results.ab_test import AbTestResults


def schema_text(document: type[Document] = AbTestResults) -> str:
    """Return the schema of a written document, as JSON with a final newline."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= document.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schema to the given file, or print it."""
    if arguments:
        write_atomically(Path(arguments[0]), schema_text().encode("utf-8"))
    else:
        sys.stdout.write(schema_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
