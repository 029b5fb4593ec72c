"""Audit: the form's own rules, held against the declarations of a register."""
