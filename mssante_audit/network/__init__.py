"""What observations of the DNS say, read once: all that is judged is taken from what `network_of` returns."""

from mssante_audit.network.mail import Network, mail_hosts, methods, network_of

__all__ = ["Network", "mail_hosts", "methods", "network_of"]
