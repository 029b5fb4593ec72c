"""Audit of the certificate names (DN)."""
