"""The white list: its XML, its rows, its signature, the certificates that verify it."""

from mssante_audit.whitelist.load import WhiteList, load_whitelist
from mssante_audit.whitelist.signature import verify_signature

__all__ = ["WhiteList", "load_whitelist", "verify_signature"]
