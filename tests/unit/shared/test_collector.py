"""The garbage collector is off for a while."""

from __future__ import annotations

import gc

import pytest

from so8t_shared.collector import leave_alone, without_collector


def test_it_is_off_inside() -> None:
    """It is on again after an error too; an inner use does not switch it on for the outer one."""
    assert gc.isenabled()
    with without_collector():
        with without_collector():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), without_collector():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_what_is_there_is_left_alone() -> None:
    """It is no longer looked at, and still goes when nothing refers to it."""
    before = gc.get_freeze_count()
    kept = [[] for _ in range(1000)]
    leave_alone()
    try:
        assert gc.get_freeze_count() >= before + len(kept)
        assert not any(one is kept for one in gc.get_objects())
    finally:
        gc.unfreeze()
