"""``python -m mssante_audit``: the command line."""

from mssante_audit.cli.main import main

main()
