"""The certificates that mail servers present: how they are asked for, written down and read."""
