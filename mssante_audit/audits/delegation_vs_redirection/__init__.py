"""Audit of the DNS: the method in use against the one declared, delegations, mail hosts, the parent zone."""
