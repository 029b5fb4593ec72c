"""An audit of another package that would end the program, never ends or prints: it is the one that fails."""

import csv
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
from typing import Any

import pytest

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


class OwnError(BaseException):
    """No Exception, and no end of the program."""


class UnsayableError(Exception):
    def __str__(self) -> str:
        raise OwnError


class Text(str):
    __slots__ = ()

    def __reduce__(self) -> tuple[object, ...]:
        return sys.exit, ("read",)


def throws(error: BaseException | type[BaseException]) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def turns() -> None:
    while True:
        pass


def holds_on() -> None:
    while True:
        with suppress(BaseException):
            time.sleep(600)


def deaf() -> None:
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)


def floods() -> None:
    while True:
        print()  # noqa: T201


def halts() -> None:
    os.write(sys.stdout.writer.fileno(), pickle.dumps("x" * 100)[:50])  # type: ignore[attr-defined]
    time.sleep(600)


BEHAVIOURS: dict[str, tuple[Callable[[], object], str]] = {
    "ends": (throws(SystemExit(0)), "SystemExit: 0"),
    "interrupts": (throws(KeyboardInterrupt), "KeyboardInterrupt"),
    "closes": (throws(GeneratorExit), "GeneratorExit"),
    "sleeps": (lambda: time.sleep(600), "not done after 0.5 s"),
    "turns": (turns, "not done after 0.5 s"),
    "dies": (lambda: os._exit(0), "ended before it was done"),
    "kills": (lambda: os.kill(os.getpid(), signal.SIGKILL), "ended before it was done"),
    "holds_on": (holds_on, "not done after 0.5 s"),
    "raises": (throws(OwnError), "OwnError"),
    "deaf": (deaf, "not done after 0.5 s"),
    "recurses": (lambda: (lambda f: f(f))(lambda f: f(f)), "RecursionError"),
    "floods": (floods, "not done after 0.5 s"),
    "never_says": (throws(UnsayableError), "UnsayableError"),
    "shouts": (
        throws(ValueError("Mme Valfictif, 06 39 98 12 34 " * 200_000)),
        "ValueError: •••, 06 •• •• •• 34",
    ),
    "halts": (halts, "not done after 0.5 s"),
    "half_a_letter": (lambda: {"operator": "CH \udcff"}, "UnicodeEncodeError"),
    "unreadable": (lambda: {"subject": Text("x")}, "cannot be read (SystemExit)"),
}
"""What an audit does after its first finding, `closes` in its place, and what is said of it."""


def behaving(name: str) -> Callable[[TrustSpace], Iterator[Finding]]:
    """Return an audit that yields a finding, behaves as it does, and yields another if it says how."""

    def part(space: TrustSpace) -> Iterator[Finding]:
        first: dict[str, Any] = {"rule": f"OTHERS_{name.upper()}", "subject": "x", "where": (1,)}
        if name != "closes":
            yield Finding(**first)
        if isinstance(more := BEHAVIOURS[name][0](), dict):
            yield Finding(**first | more)

    return part


@pytest.fixture(autouse=True)
def others(monkeypatch):
    """Let a test register audits of its own, which have half a second."""
    monkeypatch.setattr(registry, "registered", {})
    monkeypatch.setenv(PACKAGE_SECONDS, "0.5")
    yield
    catalogue.cache_clear()


def test_it_is_the_one_that_failed_and_all_others_are_told(run):
    for name in BEHAVIOURS:
        rule = RULE.model_copy(update={"code": f"OTHERS_{name.upper()}"})
        register(Audit(name, "Autres", (rule,), behaving(name)))
    done = run("findings", "all", "--all", "--format", "json")
    assert done.returncode == 3
    findings = json.loads(done.stdout)
    assert {finding["audit"] for finding in findings} >= {*AUDITS, *BEHAVIOURS}
    for name, (_, why) in BEHAVIOURS.items():
        (failed,) = (f for f in findings if f["rule"] == FAILED and f["audit"] == name)
        assert why in failed["observed"]
        assert sum(f["rule"] == f"OTHERS_{name.upper()}" for f in findings) == (name != "closes")


def registered(part: Callable[[TrustSpace], object]) -> None:
    register(Audit("others", "Autres", (RULE,), part))


def test_what_it_prints_is_no_part_of_a_table(run):
    registered(lambda space: print("hello, table") or [])  # noqa: T201
    done = run("findings", "others")
    assert (done.returncode, len(list(csv.reader(StringIO(done.stdout))))) == (0, 1)
    assert "hello, table" in done.stderr


def test_what_its_threads_print_at_once_costs_no_finding():
    def prints_at_once(space: TrustSpace) -> Iterator[Finding]:
        threads = [threading.Thread(target=print, args=("hello " * 50_000,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        yield Finding("OTHERS_RULE", "x", (1,))

    registered(prints_at_once)
    assert list(audit("others", load_space())["rule"]) == ["OTHERS_RULE"]


def test_what_it_does_to_its_process_is_not_done_to_ours(run):
    def spoils(space: TrustSpace) -> list[Finding]:
        os.chdir("/")
        os.environ["LANG"] = "x"
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.closerange(0, 3)
        if os.fork() == 0:
            os._exit(0)
        return [Finding("OTHERS_RULE", "x", (1,))]

    registered(spoils)
    place, environment, handler = Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGINT)
    done = run("findings", "others")
    assert done.returncode == 0, done.stderr
    assert len(list(csv.reader(StringIO(done.stdout)))) == 2
    assert (Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGINT)) == (place, environment, handler)


def test_who_presses_ctrl_c_ends_the_program_all_the_same():
    def waits(space: TrustSpace) -> list[Finding]:
        time.sleep(0.2)  # Python loses an interrupt that comes while os.fork runs its hooks
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(0.4)
        return []

    registered(waits)
    with pytest.raises(KeyboardInterrupt):
        audit_all(load_space())
