"""For authors of other stores and of what uses stores. It needs pytest and fork; no stage imports it.

    class TestMyStore(StoreSuite):  # from so8t_shared.store.testing.suite
        @pytest.fixture
        def store(self, tmp_path): return MyStore(tmp_path / "store")  # an empty one
        def reopened(self, store): return MyStore(store.location)      # as another process opens the same place
        def raw_write(self, store, key, data): ...                     # puts an object there without MyStore
        def raw_keys(self, store): ...                                 # the set of all keys, without MyStore

`faulty` has a wrapper around a store that fails where a test says so.
"""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("objects", "processes", "races", "writes")))
