"""The limit of connections that processes have together."""

import os
from collections.abc import Iterator

import pytest
from waiting import wait_until

from core.engine.processes.places import Places

LIMIT = 100
PROCESSES = 3


@pytest.fixture
def places() -> Iterator[Places]:
    made = Places.make(LIMIT, PROCESSES + 1)
    yield made
    made.close()


def of(places: Places, number: int) -> Places:
    """The same as another process has them."""
    return Places(os.dup(places.fd), places.limit, number)


def test_all_places_are_taken_and_none_twice(places: Places) -> None:
    """By processes that hurry, each until there is none left."""
    told, telling = os.pipe()
    children = []
    for number in range(1, PROCESSES + 1):
        children.append(os.fork())
        if not children[-1]:
            mine, taken, full = of(places, number), 0, False
            while not full:
                if mine.enter():
                    full = not mine.has_room()
                    if not full:
                        taken += 1
                        mine.hold(taken)
                    mine.leave()
            os.write(telling, bytes([taken]))
            os._exit(0)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * PROCESSES
    assert sum(os.read(told, PROCESSES)) == LIMIT
    os.close(told)
    os.close(telling)


def test_who_dies_while_it_takes_one_locks_nobody_out(places: Places) -> None:
    child = os.fork()
    if not child:
        mine = of(places, 1)
        assert mine.enter()
        mine.hold(LIMIT)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert wait_until(places.enter, "the lock")
    assert not places.has_room()
    places.clear(1)
    assert places.has_room()
    places.leave()
