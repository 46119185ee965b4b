"""Run the benchmarks: `python -m bench [NAME...] [--quick] [--write]`."""

import argparse
import os
import sys
from collections.abc import Sequence

from bench import report
from bench.cases import CASES
from bench.measure import Plan
from bench.processes import BenchError, build

FULL = Plan(seconds=2.0, repeats=5)
QUICK = Plan(seconds=1.0, repeats=1)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    cases = "\n".join(f"  {name:10}{(case.__doc__ or '').splitlines()[0]}" for name, case in CASES.items())
    result = argparse.ArgumentParser(
        prog="python -m bench",
        description="Benchmarks, each against a peer measured in the same run.",
        epilog=f"NAME, without which all run:\n{cases}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("names", nargs="*", metavar="NAME", help="what to measure: see below")
    result.add_argument("--quick", action="store_true", help="one short round: does it run, not how fast is it")
    result.add_argument(
        "--write", action="store_true", help="rewrite its tables in docs/performance.md, as a full run does"
    )
    return result


def run(names: Sequence[str], plan: Plan, write: bool) -> bool:
    """Measure the named cases, in their order; whether every target was met. What is measured is written at once."""
    met = True
    for name in names:
        rows = CASES[name](plan)
        text = report.section(name, (CASES[name].__doc__ or "").splitlines()[0], rows, plan)
        print(text, flush=True)
        if write:
            report.write({name: text}, list(CASES))
        met &= all(row.holds is not False for row in rows)
    return met


def main() -> int:
    """Exit status: 0, 1 when a target was missed, 2 when a benchmark could not be run."""
    options = parser().parse_args()
    unknown = [name for name in options.names if name not in CASES]
    if unknown:
        parser().error(f"no benchmark {unknown[0]!r}; there are {', '.join(CASES)}")
    plan = QUICK if options.quick else FULL
    if (os.cpu_count() or 1) < 2:
        print("bench: one core only: servers and generators share it, the ratios say little", file=sys.stderr)
    try:
        build()
        met = run(options.names or list(CASES), plan, options.write or not (options.names or options.quick))
    except (BenchError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
