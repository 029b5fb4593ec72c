"""Write the made-up trust space: ``python -m tools.sample OUT [--seed N] [--force]``."""

import argparse
import sys

from mssante_audit.base.errors import AuditError
from tools.sample.make import write_sample

parser = argparse.ArgumentParser(prog="python -m tools.sample", description="Write the made-up trust space.")
parser.add_argument("out", help="folder to write")
parser.add_argument("--seed", type=int, default=0, help="the same number gives the same sample")
parser.add_argument("--force", action="store_true", help="replace a sample written earlier")
try:
    sys.stdout.write(f"sample: {write_sample(**vars(parser.parse_args()))}\n")
except AuditError as error:
    sys.exit(f"tools.sample: {error}")
