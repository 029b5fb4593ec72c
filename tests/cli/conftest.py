"""The command line, run in this process."""

from commands import run as run
