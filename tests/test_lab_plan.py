"""What a run shall measure: every point as often as every other, in an order that can be had again."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.lab.plan import (
    PRESETS,
    REFERENCES,
    LabOrder,
    OrderError,
    Point,
    estimate,
    known_models,
    order_of,
    points,
    schedule,
)


def some(values: Any, most: int = 4) -> Any:
    return st.lists(values, min_size=1, max_size=most, unique=True)


ORDERS = st.builds(
    LabOrder,
    models=some(st.sampled_from(known_models()), 9),
    workers=some(st.integers(1, 8), 2),
    idle=some(st.integers(0, 100_000)),
    repeats=st.integers(1, 5),
    seed=st.integers(0, 2**31 - 1),
    seconds=st.floats(0.1, 5),
)


@given(ORDERS)
def test_every_point_is_measured_once_a_repeat(order: LabOrder) -> None:
    steps = schedule(order)
    assert Counter(steps) == Counter({(repeat, point): 1 for repeat in range(order.repeats) for point in points(order)})
    assert [step.repeat for step in steps] == sorted(step.repeat for step in steps)


@given(ORDERS)
def test_the_seed_decides_the_order(order: LabOrder) -> None:
    assert schedule(order) == schedule(order)


@given(ORDERS)
def test_references_have_one_process(order: LabOrder) -> None:
    assert all(point.workers == 1 for point in points(order) if point.model in REFERENCES)


@given(ORDERS)
def test_an_order_survives_as_json(order: LabOrder) -> None:
    again = order_of(order.as_dict())
    assert (points(again), again.as_dict()) == (points(order), order.as_dict())


@given(ORDERS, st.integers(1, 5))
def test_longer_measurements_take_longer(order: LabOrder, more: int) -> None:
    longer = order_of({**order.as_dict(), "seconds": order.seconds + more})
    assert estimate(longer) == pytest.approx(estimate(order) + more * order.repeats * len(points(order)))


def test_repeats_are_shuffled_differently() -> None:
    steps = schedule(LabOrder(repeats=2))
    half = len(steps) // 2
    assert [step.point for step in steps[:half]] != [step.point for step in steps[half:]]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_run(name: str) -> None:
    limit = {"quick": 90, "full": 600}[name]
    assert estimate(order_of(PRESETS[name])) < limit


def test_points() -> None:
    order = LabOrder(models=("poll", "asyncio"), workers=(1, 2), idle=(0,))
    assert points(order) == [Point("poll", 1, 0), Point("poll", 2, 0), Point("asyncio", 1, 0)]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"models": []}, '"models" names nothing'),
        ({"models": ["kqueue"]}, "'kqueue'"),
        ({"models": "epoll"}, '"models" must be a list'),
        ({"idle": [0, 0]}, '"idle" must be of at most 32 different'),
        ({"idle": [-1]}, '"idle" must be a whole number from 0 to 100,000'),
        ({"idle": ["1"]}, "not '1'"),
        ({"workers": [0]}, '"workers"'),
        ({"active": True}, '"active"'),
        ({"seconds": float("nan")}, '"seconds" must be a number'),
        ({"seconds": float("inf")}, '"seconds" must be a number'),
        ({"seconds": 10**400}, '"seconds" must be a number'),
        ({"seconds": 61}, '"seconds"'),
        ({"active": 10**400}, '"active" must be a whole number from 1 to 5,000'),
        ({"size": 2**21}, '"size"'),
        ({"depth": 0}, '"depth"'),
        ({"repeats": 21}, '"repeats"'),
        ({"seed": -1}, '"seed"'),
        ({"speed": 1}, 'unknown field "speed"'),
        ({"idle": list(range(32))}, "at most 200"),
        ({"seconds": 60, "repeats": 20, "idle": list(range(20))}, "hours"),
    ],
)
def test_bad_orders_are_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(OrderError, match=named.replace("(", r"\(")):
        order_of(values)
