"""A quick check of the neutral prompts before a run; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.config.model import Config
from so8t_shared.config.retention import SHIPPED
from so8t_shared.retention.items import read_items


def check_rows(config: Config) -> list[str]:
    """Check the file of neutral prompts; a note if it is not on this host.

    Raises:
        InputError: it has faults; all are listed.
    """
    retention = config.ab_test.retention
    if retention is None:
        return []
    if retention.rows != SHIPPED and not Path(retention.rows).exists():
        return [f"ab_test.retention.rows = {retention.rows} does not exist on this host"]
    read_items(retention.rows)
    return []
