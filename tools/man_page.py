"""Write the manual page of the command line from its help: commands, options, environment, exit status.

Usage: ``python tools/man_page.py FILE``; `man -l FILE` shows it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from typer.main import get_command

import mssante_audit.cli.main as cli

NAME = "mssante-audit"


def roff(text: str) -> str:
    r"""Return a text as roff has it: no escape, no request, no hyphen that is a dash.

    >>> roff("a\\b -x\n.so /etc/passwd")
    'a\\eb \\-x\n\\&.so /etc/passwd'
    """
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return re.sub(r"(?m)^(?=[.'])", r"\\&", escaped)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that does something, with the words it is called by."""
    subcommands = getattr(command, "commands", {})
    if path and not subcommands:
        yield path, command
    for name, subcommand in subcommands.items():
        yield from commands(subcommand, (*path, name))


def _help(text: str | None) -> str:
    return roff(" ".join((text or "").replace("``", "").split()))


def _parameter(parameter: Any) -> Iterator[str]:
    """Yield the lines of an option or an argument."""
    if parameter.param_type_name == "argument":
        yield f".TP\n\\fI{roff(parameter.metavar or parameter.name.upper())}\\fR"
    else:
        kind = parameter.type_descriptor
        placeholder = parameter.metavar or ("|".join(kind.choices) if kind.is_choice else "VALUE")
        value = "" if parameter.is_flag else f" \\fI{roff(placeholder)}\\fR"
        flags = ", ".join(f"\\fB{roff(flag)}\\fR" for flag in parameter.opts)
        yield f".TP\n{flags}{value}"
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    plain = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    yield _help(parameter.help) + (f" Default: {roff(str(default))}." if plain else "")


def page() -> str:
    """Return the page."""
    root = get_command(cli.app)
    status = (cli.__doc__ or "").partition("Exit status:")[2]
    lines = [
        f'.TH {NAME.upper()} 1 "" "{NAME} {version(NAME)}" "User commands"',
        f".SH NAME\n{roff(NAME)} \\- {_help(root.help)}",
        f".SH SYNOPSIS\n.B {roff(NAME)}\n[OPTIONS] COMMAND [ARGS]...",
        ".SH COMMANDS",
    ]
    for path, command in commands(root):
        lines += [f".SS {roff(' '.join((NAME, *path)))}", _help(command.help)]
        for parameter in command.params:
            if "--help" not in parameter.opts:
                lines += _parameter(parameter)
    lines.append(".SH OPTIONS")
    for parameter in root.params:
        lines += _parameter(parameter)
    lines += [".SH EXAMPLES AND ENVIRONMENT", _help(root.epilog), ".SH EXIT STATUS", _help(status)]
    return "\n".join(lines) + "\n"


def main(out: str) -> None:
    """Write the page."""
    file = Path(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
