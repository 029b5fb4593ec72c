"""What observations of the DNS say, read once: zones, servers, mail hosts, and the walk that resolvers make.

`network_of` reads an observation. The rules on the DNS, the method in use and whether mail arrives are all
taken from what it returns.
"""

from mssante_audit.network.model import Network, mail_hosts, methods, network_of

__all__ = ["Network", "mail_hosts", "methods", "network_of"]
