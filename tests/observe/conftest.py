"""The fixtures of `dnsworld`, and the command line run in this process, for every test of this folder."""

from commands import run
from dnsworld import observed, port, serve, world

__all__ = ["observed", "port", "run", "serve", "world"]
