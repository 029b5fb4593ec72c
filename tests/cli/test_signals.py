"""Tests reach their children by signals, also where those are ignored when the tests are started."""

import subprocess
import sys
from pathlib import Path

CHILD = """
import signal as s
print(*(s.getsignal(n) is not s.SIG_IGN for n in (s.SIGHUP, s.SIGINT, s.SIGTERM)))
"""
PARENT = f"""
import ast, signal, subprocess, sys
tree = ast.parse(open(sys.argv[1], encoding="utf-8").read())
own = [node for node in tree.body if getattr(node, "name", "") == "let_signals_through"]
exec(compile(ast.Module(own, []), "conftest", "exec"))
if sys.argv[2:]:
    let_signals_through()
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


def told(*arguments: str) -> str:
    ignored = "trap '' HUP INT TERM; exec \"$@\""
    command = [sys.executable, "-c", PARENT, str(Path(__file__).parents[1] / "conftest.py"), *arguments]
    done = subprocess.run(["sh", "-c", ignored, "sh", *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_children_get_signals_under_nohup() -> None:
    assert told() == "False False False", "or this test shows nothing"
    assert told("through") == "True True True"
