"""Test kit for authors of stores and of code that uses stores. Needs pytest and fork; no stage imports it.

    class TestMyStore(StoreSuite):  # from so8t_shared.store.testing.suite
        @pytest.fixture
        def store(self, tmp_path): return MyStore(tmp_path / "store")  # an empty store
        def reopened(self, store): return MyStore(store.location)      # the same store, as another process opens it
        def raw_write(self, store, key, data): ...                     # writes an object without MyStore
        def raw_keys(self, store): ...                                 # the set of all keys, without MyStore

`faulty` has a wrapper that makes a store fail where a test says so.
"""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("objects", "processes", "races", "writes")))
