"""The nightly run as a DAG of Airflow 3, in the environment that docs/schedule.md describes."""

from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id="mssante_audit",
    schedule="0 6 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Paris"),
    catchup=False,
    max_active_runs=1,
):
    BashOperator(
        task_id="run",  # 1 is "findings as severe as fail_on says": the run itself went well
        bash_command=(
            "/opt/mssante-audit/bin/mssante-audit run --config /etc/mssante-audit/audit.toml || [ $? = 1 ]"
        ),
        execution_timeout=timedelta(hours=8),
    )
