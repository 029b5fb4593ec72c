"""A night as Prometheus metrics: ``state/metrics.prom``, for node_exporter's textfile collector.

https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from mssante_audit.nightly.night import Night, Run, began

FILE = "metrics.prom"
_PREFIX = "mssante_audit_"
_DAY = 86_400
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[Mapping[str, str], float]


def metrics(night: Night, run: Run, ended: datetime) -> str:
    """Return the metrics of a night that has `ended`; the head of its run knows the last good one."""
    found = night.audited
    by_state = found.get("by_state", {})
    failed = [result for result in night.results.values() if result.outcome in ("failed", "skipped")]
    good: list[Sample] = [({}, began(run.good).timestamp())] if run.good else []
    parts = (
        _gauge("last_run_timestamp_seconds", "When the last run ended.", [({}, ended.timestamp())]),
        _gauge("last_success_timestamp_seconds", "When the last run with exit status 0 or 1 began.", good),
        _gauge("exit_status", "Of the last run: 0 well, 1 findings, 3 failure, 4 input in doubt.",
               [({}, night.exit_status)]),
        _gauge("findings", "Findings of the last run; absent if it could not audit.",
               [({"severity": severity, "state": state}, n)
                for severity, states in by_state.items() for state, n in states.items()]),
        *(_gauge(f"domains_{question}", f"Domains of the last run by answer: {about}",
                 [({"answer": answer}, n) for answer, n in found.get(question, {}).items()])
          for question, about in (("arrives", "does mail arrive?"), ("order", "is it in order?"))),
        _gauge("input_age_seconds", "Age of an input, to the day, for those that tell it.",
               [({"input": state.name}, state.age_days * _DAY)
                for state in night.inputs if state.age_days is not None]),
        _gauge("input_ok", "Whether an input is as it should be, or tolerated: 1, or in doubt: 0.",
               [({"input": state.name, "state": state.state}, int(not state.doubtful))
                for state in night.inputs]),
        _gauge("step_seconds", "What a step of the last run took.",
               [({"step": name}, result.seconds) for name, result in night.results.items()]),
        _gauge("step_failed", "Whether a step of the last run, its hooks too, failed or could not be done.",
               [({"step": name}, int(result in failed)) for name, result in night.results.items()]),
    )  # fmt: skip
    return "".join(parts)


def _gauge(name: str, about: str, samples: Iterable[Sample]) -> str:
    lines = f"# HELP {_PREFIX}{name} {about}\n# TYPE {_PREFIX}{name} gauge\n"
    for labels, value in samples:
        pairs = ",".join(f'{n}="{text.translate(_ESCAPES)}"' for n, text in labels.items())
        lines += f"{_PREFIX}{name}{f'{{{pairs}}}' if pairs else ''} {value:.15g}\n"
    return lines
