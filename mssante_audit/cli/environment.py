"""Options from the environment: ``MSSANTE_AUDIT_DATA`` is any ``--data``, ``MSSANTE_AUDIT_REPORT_DATA`` one.

It is MSSANTE_AUDIT_, the command if only its own is meant, and the option, in capitals and with _ for -.
What the command line says goes first, then the command's own variable, then the shared one; an empty one says
nothing. Several values stand with commas between them, those of ``--parameter`` with blanks.
"""

from __future__ import annotations

import os
from typing import Any

from typer.core import TyperGroup, TyperOption

PREFIX = "MSSANTE_AUDIT"

_APART = {"--help", "--version", "--install-completion", "--show-completion"}
"""Options that are no settings."""


class FromEnvironment(TyperGroup):
    """A group of commands whose options, and those of its commands, may stand in the environment."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        _name(self, PREFIX)


def variables(option: Any, prefix: str) -> list[str]:
    """Return the names of the variables of an option, the command's own first; none of what is no setting."""
    flag = max(option.opts, key=len)
    if flag in _APART:
        return []
    name = flag.lstrip("-").replace("-", "_").upper()
    return list(dict.fromkeys((f"{prefix}_{name}", f"{PREFIX}_{name}")))


def _name(command: Any, prefix: str) -> None:
    for option in command.params:
        if isinstance(option, TyperOption) and (names := variables(option, prefix)):
            given = [name for name in names if os.environ.get(name)]
            option.envvar = given[0] if given else names
            option.show_envvar = bool(given)  # in help and in errors
            if option.multiple and option.name != "parameter":
                vars(option)["envvar_list_splitter"] = ","
    for name, own in getattr(command, "commands", {}).items():
        _name(own, f"{prefix}_{name.replace('-', '_').upper()}")
