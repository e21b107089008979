"""Work in threads with the results in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.unit.shared.processes import until

from so8t_shared.store.parallel import Abandoned, Wanted, in_order


@pytest.mark.parametrize("count", [0, 1, 3, 20])
def test_results_come_in_order(count: int) -> None:
    """However long each takes, the first task's result comes first."""

    def task(number: int) -> Callable[[], int]:
        def work() -> int:
            time.sleep(0.002 * ((number * 7) % 5))
            return number

        return work

    assert list(in_order((task(n) for n in range(count)), 3, Wanted())) == list(range(count))


def test_it_runs_ahead_no_further_than_it_may() -> None:
    """Tasks are taken from the source only as room appears, so that a large file is not read into memory."""
    taken: list[int] = []
    gate = threading.Event()

    def tasks() -> Iterator[Callable[[], bool]]:
        for number in range(10):
            taken.append(number)
            yield gate.wait

    results = in_order(tasks(), 2, Wanted())
    thread = threading.Thread(target=lambda: list(results))
    thread.start()
    until(lambda: len(taken) == 3, "two at work and one ahead")
    time.sleep(0.05)
    assert len(taken) == 3
    gate.set()
    thread.join()
    assert len(taken) == 10


def test_the_first_error_ends_it_all() -> None:
    """The error comes out, the rest is dropped, and work under way learns that nobody wants it."""
    wanted, told = Wanted(), threading.Event()

    def failing() -> None:
        time.sleep(0.02)
        raise ZeroDivisionError("part 1")

    def patient() -> None:
        try:
            while True:
                wanted.check()
                time.sleep(0.005)
        except Abandoned:
            told.set()
            raise

    with pytest.raises(ZeroDivisionError):
        list(in_order(iter([failing, patient, patient]), 2, wanted))
    assert told.is_set()


def test_an_error_of_the_source_ends_it_too() -> None:
    """A file that cannot be read on is an error like that of a part."""
    wanted = Wanted()

    def patient() -> None:
        while True:
            wanted.check()
            time.sleep(0.005)

    def tasks() -> Iterator[Callable[[], None]]:
        yield patient
        raise EOFError("the file became shorter")

    with pytest.raises(EOFError):
        list(in_order(tasks(), 2, wanted))
