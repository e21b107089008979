"""The services of compose.yaml."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.deploy.compose_files import (
    services_of,
)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """All services of compose.yaml."""
    return services_of("compose.yaml")
