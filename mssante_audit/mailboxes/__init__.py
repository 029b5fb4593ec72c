"""Mailboxes: the public extraction of ANS, read as numbers and nothing else."""
