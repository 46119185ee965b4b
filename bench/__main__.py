"""Run the benchmarks: `python -m bench [NAME...] [--quick] [--write]`."""

import argparse
import os
import sys
from collections.abc import Sequence

from bench import report
from bench.cases import CASES
from bench.measure import Plan, Row
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
    result.add_argument("--write", action="store_true", help="write docs/performance.md, as a full run of all does")
    return result


def run(names: Sequence[str], plan: Plan) -> list[Row]:
    """Rows of the named cases, in their order."""
    rows: list[Row] = []
    for name in names:
        print(f"{name}: {CASES[name].__doc__}", flush=True)
        rows += CASES[name](plan)
    return rows


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
        rows = run(options.names or list(CASES), plan)
        text = report.table(rows, plan)
        if options.write or not (options.names or options.quick):
            report.write(text)
    except (BenchError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(f"\n{text}")
    return int(any(row.holds is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
