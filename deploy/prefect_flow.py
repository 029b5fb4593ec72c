"""The nightly run as a flow of Prefect 3, in the environment that docs/schedule.md describes."""

import subprocess

from prefect import flow
from prefect.schedules import Cron

COMMAND = ["/opt/mssante-audit/bin/mssante-audit", "run", "--config", "/etc/mssante-audit/audit.toml"]


@flow(log_prints=True, timeout_seconds=8 * 3600)
def mssante_audit():
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    if done.returncode not in (0, 1):  # 1 is "findings as severe as fail_on says"
        raise RuntimeError(f"the nightly run ended with {done.returncode}")


if __name__ == "__main__":
    mssante_audit.serve("nightly", schedules=[Cron("0 6 * * *", timezone="Europe/Paris")], limit=1)
