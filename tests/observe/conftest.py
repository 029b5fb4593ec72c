"""The fixtures of `dnsworld`, for every test of this folder."""

from dnsworld import observed, port, serve, world

__all__ = ["observed", "port", "serve", "world"]
