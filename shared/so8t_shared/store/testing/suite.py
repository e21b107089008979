"""What every artifact store must do; a test class inherits it and says how a store is opened."""

from __future__ import annotations

from so8t_shared.store.testing.objects import Objects
from so8t_shared.store.testing.races import Races
from so8t_shared.store.testing.writes import Writes


class StoreSuite(Objects, Writes, Races):
    """The conformance suite; the package's own text says how to use it."""
