"""What tests of several packages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.bundled import Bundles
    from tests.unit.shared.bundles.finished import Finished


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A finished session in a store that is only read."""
    from tests.unit.shared.bundles.finished import finish_session

    return finish_session(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def bundles(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Its bundles."""
    from tests.unit.bundled import make_bundles

    return make_bundles(finished, tmp_path_factory.mktemp("bundles"))
