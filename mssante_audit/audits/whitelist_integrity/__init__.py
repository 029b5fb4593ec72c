"""Audit of the white list as a file and as a table: signature, age, damage, rows, domains, descriptions."""
