"""Run every benchmark of this folder, or those named: ``python -m bench [whitelist audits …]``.

Each module ``bench_<name>.py`` has ``benches()``, which returns rows of (what, measured, promised at most).
Exits with 1 if a promise is missed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main(names: list[str]) -> int:
    benchmarks = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))
    if unknown := set(names) - set(benchmarks):
        print(
            f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(benchmarks)}", file=sys.stderr
        )
        return 2
    missed = 0
    for name in names or benchmarks:
        for title, measured, promised in import_module(f"bench.bench_{name}").benches():
            kept = measured <= promised
            missed += not kept
            print(
                f"{'ok    ' if kept else 'MISSED'} {measured:10.2f}  at most {promised:10.2f}  {title}",
                flush=True,
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
