"""Audit of the DNS: the method in use against the one declared, delegations, mail hosts, the parent zone.

What could not be observed is reported as such, and never as absent. All rules report in the same facts:
`seen`, each thing that was seen, and `wanted`, each that would be right.
"""
