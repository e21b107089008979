"""The tests that every artifact store must pass; a test class inherits them and opens the store."""

from __future__ import annotations

from so8t_shared.store.testing.objects import Objects
from so8t_shared.store.testing.races import Races
from so8t_shared.store.testing.writes import Writes


class StoreSuite(Objects, Writes, Races):
    """The conformance suite; the package's docstring shows how to use it."""
