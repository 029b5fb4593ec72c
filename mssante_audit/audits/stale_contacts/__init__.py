"""Audit of the contacts: incomplete, badly written, personal, and in disagreement within an operator."""
