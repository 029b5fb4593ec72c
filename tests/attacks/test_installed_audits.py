"""An audit of another package that would end the program, never ends or prints: it is the one that fails."""

from __future__ import annotations

import csv
import itertools
import json
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from commands import Done

from mssante_audit import AUDITS, Audit, Finding, Rule
from mssante_audit.audits import audit, audit_all, catalogue, register
from mssante_audit.base.settings import PACKAGE_SECONDS
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.space.trust import TrustSpace, load_space

RULE = Rule(
    "OTHERS_RULE", family="Autres", severity="warning", source="none", title_fr="x", title_en="x",
    why_fr="x", why_en="x", remedy_fr="x", remedy_en="x",
)  # fmt: skip


def ends(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_ENDS", "x", (1,))
    raise SystemExit(0)


def interrupts(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_INTERRUPTS", "x", (1,))
    raise KeyboardInterrupt


def closes(space: TrustSpace) -> list[Finding]:
    raise GeneratorExit


def sleeps(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_SLEEPS", "x", (1,))
    time.sleep(600)


def turns(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_TURNS", "x", (1,))
    for _ in itertools.count():
        pass


def dies(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_DIES", "x", (1,))
    os._exit(0)


def kills(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_KILLS", "x", (1,))
    os.kill(os.getpid(), signal.SIGKILL)


def holds_on(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_HOLDS_ON", "x", (1,))
    while True:
        with suppress(BaseException):
            time.sleep(600)


class OwnError(BaseException):
    """No Exception, and no end of the program."""


def raises(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_RAISES", "x", (1,))
    raise OwnError


def deaf(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_DEAF", "x", (1,))
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)


def recurses(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_RECURSES", "x", (1,))
    (lambda f: f(f))(lambda f: f(f))


def floods(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_FLOODS", "x", (1,))
    while True:
        print()  # noqa: T201


def never_says(space: TrustSpace) -> Iterator[Finding]:
    class UnsayableError(Exception):
        def __str__(self) -> str:
            raise OwnError

    yield Finding("OTHERS_NEVER_SAYS", "x", (1,))
    raise UnsayableError


def shouts(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_SHOUTS", "x", (1,))
    raise ValueError("Mme Valfictif, 06 39 98 12 34 " * 200_000)


def halts(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_HALTS", "x", (1,))
    os.write(sys.stdout.writer.fileno(), pickle.dumps("x" * 100)[:50])  # type: ignore[attr-defined]
    time.sleep(600)


def half_a_letter(space: TrustSpace) -> Iterator[Finding]:
    yield Finding("OTHERS_HALF_A_LETTER", "x", (1,))
    yield Finding("OTHERS_HALF_A_LETTER", "x", (1,), operator="CH \udcff")


def unreadable(space: TrustSpace) -> Iterator[Finding]:
    class Text(str):
        __slots__ = ()

        def __reduce__(self) -> tuple[object, ...]:
            return sys.exit, ("read",)

    yield Finding("OTHERS_UNREADABLE", "x", (1,))
    yield Finding("OTHERS_UNREADABLE", Text("x"), (1,))


BEHAVIOURS = {
    ends: "SystemExit: 0", interrupts: "KeyboardInterrupt", closes: "GeneratorExit",
    sleeps: "not done after 0.5 s", turns: "not done after 0.5 s", dies: "ended before it was done",
    kills: "ended before it was done", holds_on: "not done after 0.5 s", raises: "OwnError",
    deaf: "not done after 0.5 s", recurses: "RecursionError",
    floods: "not done after 0.5 s", never_says: "UnsayableError", shouts: "ValueError: •••, 06 •• •• •• 34",
    halts: "not done after 0.5 s", half_a_letter: "UnicodeEncodeError",
    unreadable: "cannot be read (SystemExit)",
}  # fmt: skip


@pytest.fixture(autouse=True)
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test register audits of its own, which have half a second."""
    monkeypatch.setattr(registry, "registered", {})
    monkeypatch.setenv(PACKAGE_SECONDS, "0.5")
    yield
    catalogue.cache_clear()


def test_it_is_the_one_that_failed_and_all_others_are_told(run: Callable[..., Done]) -> None:
    for part in BEHAVIOURS:
        name = part.__name__
        register(Audit(name, "Autres", (RULE.model_copy(update={"code": f"OTHERS_{name.upper()}"}),), part))
    done = run("findings", "all", "--all", "--format", "json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert {finding["audit"] for finding in found} >= {*AUDITS, *(part.__name__ for part in BEHAVIOURS)}
    for part, why in BEHAVIOURS.items():
        (failed,) = (f for f in found if f["rule"] == FAILED and f["audit"] == part.__name__)
        assert why in failed["observed"]
        rule = f"OTHERS_{part.__name__.upper()}"
        assert sum(finding["rule"] == rule for finding in found) == (part is not closes)


def test_what_it_prints_is_no_part_of_a_table(run: Callable[..., Done]) -> None:
    def prints(space: TrustSpace) -> list[Finding]:
        print("hello, table")  # noqa: T201
        return []

    register(Audit("others", "Autres", (RULE,), prints))
    done = run("findings", "others")
    assert done.returncode == 0
    assert len(list(csv.reader(StringIO(done.stdout)))) == 1
    assert "hello, table" in done.stderr


def test_what_its_threads_print_at_once_costs_no_finding() -> None:
    def prints_at_once(space: TrustSpace) -> Iterator[Finding]:
        words = {"target": print, "args": ("hello " * 50_000,)}
        threads = [threading.Thread(**words) for _ in range(8)]  # type: ignore[arg-type]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        yield Finding("OTHERS_RULE", "x", (1,))

    register(Audit("others", "Autres", (RULE,), prints_at_once))
    assert list(audit("others", load_space())["rule"]) == ["OTHERS_RULE"]


def test_what_it_does_to_its_process_is_not_done_to_ours(run: Callable[..., Done]) -> None:
    def spoils(space: TrustSpace) -> list[Finding]:
        os.chdir("/")
        os.environ["LANG"] = "x"
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.closerange(0, 3)
        if os.fork() == 0:
            os._exit(0)
        return [Finding("OTHERS_RULE", "x", (1,))]

    register(Audit("others", "Autres", (RULE,), spoils))
    place, environment, handler = Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGINT)
    done = run("findings", "others")
    assert done.returncode == 0, done.stderr
    assert len(list(csv.reader(StringIO(done.stdout)))) == 2
    assert (Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGINT)) == (place, environment, handler)


def test_who_presses_ctrl_c_ends_the_program_all_the_same() -> None:
    def waits(space: TrustSpace) -> list[Finding]:
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(0.4)
        return []

    register(Audit("others", "Autres", (RULE,), waits))
    with pytest.raises(KeyboardInterrupt):
        audit_all(load_space())
