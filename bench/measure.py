"""Figures, rounds of them, and the lines of the table that they make."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar


@dataclass(frozen=True)
class Plan:
    """How long a measurement lasts, and how often all of them are repeated."""

    seconds: float
    repeats: int


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    asked: str
    measured: str
    holds: bool | None


class Speed(NamedTuple):
    """Something a second, by the clock and by the processor time that the server took, all its threads together."""

    rate: float
    per_cpu: float = 0.0


class Delay(NamedTuple):
    """Reply times in microseconds."""

    p50: float
    p99: float


Measured = TypeVar("Measured", Speed, Delay)


def interleaved(variants: dict[str, Callable[[], Measured]], repeats: int) -> list[dict[str, Measured]]:
    """Measure each variant once a round, in an order that rotates, so that drift of the machine falls on all alike."""
    names = list(variants)
    rounds: list[dict[str, Measured]] = []
    for number in range(repeats):
        shift = number % len(names)
        rounds.append({name: variants[name]() for name in names[shift:] + names[:shift]})
        print("  " + ", ".join(f"{name} {_said(rounds[-1][name])}" for name in names), flush=True)
    return rounds


def _said(figure: Speed | Delay) -> str:
    if isinstance(figure, Delay):
        return f"p50 {figure.p50:,.0f} µs p99 {figure.p99:,.0f} µs"
    return f"{figure.rate:,.0f}"


def ratio_row(
    what: str, rounds: list[dict[str, Speed]], ours: str, theirs: str, least: float | None, unit: str = "a second"
) -> Row:
    """The median over the rounds of ours / theirs, with the lowest and the highest."""
    middle, text = ratios([each[ours].rate / each[theirs].rate for each in rounds])
    rates = " / ".join(f"{statistics.median(each[name].rate for each in rounds):,.0f}" for name in (ours, theirs))
    measured = f"{text}; {rates} {unit}"
    if all(each[theirs].per_cpu for each in rounds):
        cpu = statistics.median(each[ours].per_cpu / each[theirs].per_cpu for each in rounds)
        measured += f"; {cpu:.2f} by processor time"
    return Row(what, f"≥ {least:.2f}" if least else "-", measured, middle >= least if least else None)


def delay_row(what: str, rounds: list[dict[str, Delay]], ours: str, theirs: str, most: float) -> Row:
    """The median over the rounds of p99 of ours / p99 of theirs, with the lowest and the highest."""
    middle, text = ratios([each[ours].p99 / each[theirs].p99 for each in rounds])
    halves, ends = (
        " / ".join(
            f"{statistics.median(getattr(each[name], field) for each in rounds):,.0f}" for name in (ours, theirs)
        )
        for field in Delay._fields
    )
    return Row(what, f"≤ {most:.2f}", f"{text}; {ends} µs; the median: {halves} µs", middle <= most)


def ratios(values: list[float]) -> tuple[float, str]:
    """The median, and it as text with the lowest and the highest."""
    middle = statistics.median(values)
    return middle, f"{middle:.2f} ({min(values):.2f}-{max(values):.2f})"
