"""A configuration for pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from so8t_shared.config.model import Config

Make = Callable[..., Config]


@pytest.fixture
def make() -> Make:
    """Give a configuration whose inputs and bucket pods can reach, with other sections."""

    def made(**sections: Any) -> Config:
        raw: dict[str, Any] = {
            "model_a": {"base_model": "inputs/model"},
            "dataset": {"paths": ["inputs/data/rows.jsonl"]},
            "store": {"endpoint": "http://minio.store:9000"},
        }
        return Config.model_validate({**raw, **sections})

    return made
