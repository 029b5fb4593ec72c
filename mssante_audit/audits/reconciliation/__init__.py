"""Audit: the register of declarations against the white list, as of a date."""
