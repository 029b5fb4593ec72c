"""deploy/ and docs/schedule.md: what they say is parsed, exists, and is done as far as it can be here."""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from configparser import RawConfigParser
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import yaml
from commands import Done, ran
from conftest import CATALOGUE
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from made_nights import night
from typer.main import get_command

from mssante_audit.cli.main import app
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.faults import faults
from mssante_audit.nightly.hooks import PREFIX, variables_of
from mssante_audit.nightly.mail import COLUMNS
from mssante_audit.space.trust import load_space
from mssante_audit.whitelist.signature import SAMPLE_SIGNER

ROOT = Path(__file__).parents[2]
DEPLOY, LOCK = ROOT / "deploy", ROOT / "requirements" / "base.lock"
PINNED = re.compile(r"@sha256:[0-9a-f]{64}( AS \w+)?$")
SETTINGS = "/etc/mssante-audit/audit.toml"
DOC = (ROOT / "docs" / "schedule.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"(?<![\w-])\S*mssante-audit ([a-z][^\n\"`|&#]*)")
"""A line of the program, up to what follows it, by what it is given."""
EXPOSURE = 1.2
"""What `systemd-analyze security` may say at most; docs/schedule.md names it."""


def blocks(language: str) -> list[str]:
    blocks_of = re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)
    assert blocks_of
    return blocks_of


def recipe_of(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def parse(words: list[str]) -> None:
    """Parse what the program is given as it does, and run nothing; raise what it says of a wrong line."""
    command, context, name, rest = get_command(app), None, "mssante-audit", words
    while True:
        context = command.make_context(name, rest, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])


def instructions() -> list[tuple[str, str]]:
    text = recipe_of("Dockerfile")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    return [(word, " ".join(rest)) for word, *rest in map(str.split, lines)]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def test_the_image_is_pinned_of_a_user_without_rights_and_of_what_its_context_holds():
    assert of("FROM")
    assert all(PINNED.search(image) for image in of("FROM"))
    user, group = of("USER")[-1].split(":")
    assert int(user) == int(group) > 0
    assert not [line for line in of("RUN") if "curl" in line or "apt-get" in line or "http" in line]
    assert not of("ADD")
    ignore = recipe_of("Dockerfile.dockerignore").splitlines()
    copied = {name for rest in of("COPY") if "--from" not in rest for name in rest.split()[:-1]}
    assert (ignore[1], {line[1:] for line in ignore if line.startswith("!")}) == ("*", copied)


def as_shell(word: str, rest: str) -> str:
    """Return a step of the Dockerfile as a line of shell, done by the interpreter of the tests."""
    if word == "WORKDIR":
        return f"mkdir -p {rest}\ncd {rest}"
    if word == "ENV":
        return f"export {rest}"
    if word == "COPY" and not rest.startswith("--from"):  # stages have one root here
        *sources, target = rest.split()
        assert all(Path(name) in (Path(target), Path(target, Path(name).name)) for name in sources), rest
        return f"tar -c -C {ROOT} --exclude=__pycache__ {' '.join(sources)} | tar -x"
    if word != "RUN":
        return ""
    if rest.startswith("install ") and os.geteuid():
        return re.sub(r"-[og] \d+", "", rest)  # only root gives folders away
    if "--require-hashes" in rest:  # the same pins and hashes, out of a cache if there is one
        program, _, packages = rest.partition(" install --no-cache-dir ")
        uv = f"{ROOT}/.venv-uv/bin/uv pip install --quiet --offline"
        return f"{uv} --python {Path(program).parent}/python {packages} || {rest}"
    return rest


@pytest.mark.long
def test_the_steps_of_the_image_make_one_that_works(tmp_path):
    def shell(*lines: str) -> Done:
        script = re.sub(r"(?<![\w./-])/(?=(?:opt|etc|var|build)\b)", f"{tmp_path}/", "\n".join(lines))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return ran("sh", "-ec", script, cwd=tmp_path, env={"PATH": path})

    for folder in ("opt", "etc/mssante-audit", "var/lib"):
        (tmp_path / folder).mkdir(parents=True)
    steps = [as_shell(word, rest) for word, rest in instructions()]
    done = shell(*steps)
    assert done.returncode == 0, done.stdout + done.stderr
    inside = [line for line in steps if line.startswith(("export ", "mkdir "))]
    home = shell(*inside, "python -c 'import mssante_audit; print(mssante_audit.__file__)'").stdout
    assert home.startswith(str(tmp_path / "opt" / "mssante-audit"))
    data = tmp_path / "var" / "lib" / "mssante-audit" / "data"
    for name in ("archive", "anchors"):
        shutil.copytree(CATALOGUE / name, data / name)
    (tmp_path / SETTINGS[1:]).write_text(
        f'[data]\nfolder = "{data}"\nanchors = ["{data}/anchors"]\n'
        f'signer = "{SAMPLE_SIGNER}"\n[output]\nfolder = "{data.parent}/output"\n'
        "[reports]\nenabled = false\n[dossiers]\nenabled = false\n"
    )
    (program,), night = (json.loads(of(word)[0]) for word in ("ENTRYPOINT", "CMD"))
    health = json.loads(of("HEALTHCHECK")[0].partition(" CMD ")[2])[1:]
    for words in (night, health):
        parse(words)
        assert SETTINGS in words
    night, health = (shlex.join([program, *words]) for words in (night, health))
    assert shell(*inside, health).returncode == 1  # no night yet
    done = shell(*inside, f"{night} --as-of 2026-03-03T06:00:00Z")
    assert (done.returncode, done.stderr) == (0, "")
    assert shell(*inside, health).returncode == 0


def test_the_cron_job_may_do_little_runs_once_at_a_time_and_has_all_that_it_needs(tmp_path):
    objects = {each["kind"]: each for each in yaml.safe_load_all(recipe_of("kubernetes.yaml"))}
    spec = objects["CronJob"]["spec"]
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user, group = map(int, of("USER")[-1].split(":"))
    for part, wanted in (
        (spec, {"concurrencyPolicy": "Forbid", "timeZone": "Europe/Paris"}),
        (pod, {"restartPolicy": "Never", "automountServiceAccountToken": False}),
        (pod["securityContext"], {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": group}),
        (container["securityContext"], {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                                        "capabilities": {"drop": ["ALL"]}}),
    ):  # fmt: skip
        assert part | wanted == part
    assert 0 < spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 24 * 3600
    assert PINNED.search(container["image"])
    assert "memory" in container["resources"]["limits"]
    parse(container["args"])
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == set(volumes)
    written = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert written == {"/var/lib/mssante-audit", "/tmp"}
    assert volumes["secrets"]["secret"]["defaultMode"] == 0o400  # fsGroup adds its group
    names = [objects[kind]["metadata"]["name"] for kind in ("PersistentVolumeClaim", "ConfigMap")]
    claim, settings = volumes["nights"]["persistentVolumeClaim"], volumes["settings"]["configMap"]
    assert [claim["claimName"], settings["name"]] == names
    (tmp_path / "audit.toml").write_text(objects["ConfigMap"]["data"][mounts[SETTINGS]["subPath"]], "utf-8")
    config = load_config(tmp_path / "audit.toml")
    for folder in (config.data.folder, config.output.folder):
        assert str(folder).startswith("/var/lib/mssante-audit/")
    assert config.mail.password.startswith("file:/etc/mssante-audit/secrets/")
    assert "/etc/mssante-audit/igc-sante" in mounts
    (fault,) = map(str, faults(config))
    assert "igc-sante: no such certificates" in fault


STATUSES = (0, 1, 2, 3, 4, 143)


@pytest.fixture
def stubs(monkeypatch) -> dict[str, MagicMock]:
    """What the snippets import, by name: it notes what it is given."""
    bash = "airflow.providers.standard.operators.bash"
    names = bash, "airflow.sdk", "pendulum", "prefect", "prefect.schedules"
    modules = {name: MagicMock() for name in names}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return modules


def test_the_airflow_snippet_runs_one_night_at_a_time(stubs):
    runpy.run_path(str(DEPLOY / "airflow_dag.py"))
    options = stubs["airflow.sdk"].DAG.call_args.kwargs
    assert options | {"catchup": False, "max_active_runs": 1, "schedule": "0 6 * * *"} == options
    line = stubs["airflow.providers.standard.operators.bash"].BashOperator.call_args.kwargs["bash_command"]
    played = [re.sub(r"^.*audit\.toml", f"(exit {status})", line) for status in STATUSES]
    well = [ran("bash", "-c", words).returncode == 0 for words in played]
    assert well == [True, True, False, False, False, False]


def test_the_prefect_snippet_fails_as_the_night_does(stubs, monkeypatch):
    serve = MagicMock()
    stubs["prefect"].flow.return_value = lambda function: vars(function).update(serve=serve) or function
    snippet = runpy.run_path(str(DEPLOY / "prefect_flow.py"), run_name="__main__")
    assert serve.call_args.kwargs["limit"] == 1
    parse(snippet["COMMAND"][1:])
    for status in STATUSES:
        done = subprocess.CompletedProcess([], status, "the mail", "")
        monkeypatch.setattr(subprocess, "run", lambda *_, done=done, **__: done)
        with nullcontext() if status < 2 else pytest.raises(RuntimeError):
            snippet["mssante_audit"]()


PLACES = [ROOT / "docs" / "schedule.md", *sorted(DEPLOY.glob("*"))]


def test_every_command_line_can_be_parsed():
    lines = [line for path in PLACES for line in COMMAND.findall(path.read_text(encoding="utf-8"))]
    assert len(lines) > 15
    for line in lines:
        parse(line.split())


def test_the_variables_named_are_those_that_hooks_get():
    blind = night(failed=("audit",))
    variables = {f"{PREFIX}{name.upper()}" for name in variables_of(blind)}
    assert variables >= {"MSSANTE_RUN", "MSSANTE_SITE"}
    assert all(f"`{name}`" in DOC for name in variables)


def recipe(target: str, tmp_path: Path) -> str:
    """Return the last command of a target of the Makefile, as the tests' own environment does it."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n\t", " ")
    (lines,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    line = lines.rstrip("\n").rpartition("\t")[2]
    return line.replace(".venv-dev/bin", str(Path(sys.executable).parent)).replace(" build/", f" {tmp_path}/")


def test_the_bill_of_materials_is_cyclonedx_and_all_of_the_lock(tmp_path):
    line = recipe("sbom", tmp_path)
    done = ran("sh", "-ec", line, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "sbom.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    lock = LOCK.read_text(encoding="utf-8")
    pins = set(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))
    assert {(part["name"], part["version"]) for part in bill["components"]} == pins
    assert set(re.findall(r'"content": "([0-9a-f]{64})"', text)) == set(re.findall(r"sha256:(\w{64})", lock))
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    component = bill["metadata"]["component"]
    assert (component["name"], component["version"]) == (about["name"], about["version"])


def test_without_a_network_no_dependency_counts_as_audited(tmp_path):
    line = recipe("audit-dependencies", tmp_path)
    assert "--strict" in line
    script = 'export HOME="$1" XDG_CACHE_HOME="$1" http_proxy=$2 https_proxy=$2 no_proxy=\n' + line
    done = ran("sh", "-ec", script, "sh", str(tmp_path), "http://127.0.0.1:9", cwd=ROOT)
    assert done.returncode != 0
    assert "No known vulnerabilities" not in done.stdout + done.stderr


def test_jobs_use_and_install_what_is_pinned_and_what_the_doctor_misses_is_no_night_of_findings():
    gitlab, github = (yaml.safe_load(recipe_of(name)) for name in ("gitlab-ci.yaml", "github.yaml"))
    (job,), (steps,) = gitlab.values(), (entry["steps"] for entry in github["jobs"].values())
    assert github[True]["schedule"] == [{"cron": "0 5 * * *"}]  # YAML 1.1 takes `on` for true
    used = [step["uses"] for step in steps if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", entry) for entry in used)
    assert PINNED.search(job["image"])
    lines = [line for path in PLACES for line in path.read_text(encoding="utf-8").splitlines()]
    installs = [line for line in lines if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert job["allow_failure"] == {"exit_codes": 1}  # of GitLab: there the doctor's is another
    (line,) = [line for line in job["script"] if " doctor " in line]
    assert ran("sh", "-c", line.replace("mssante-audit", "false")).returncode == 2


def test_the_settings_can_be_used_the_mail_is_narrow_and_the_cron_line_is_one(tmp_path):
    for number, text in enumerate(blocks("toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text, encoding="utf-8")
        assert load_config(file).retention.runs == 30
    (shown,) = blocks("text")
    assert max(map(len, shown.splitlines())) <= COLUMNS
    (text,) = blocks("crontab")
    mail, line = text.splitlines()
    assert mail.startswith("MAILTO=")
    assert re.fullmatch(r"0 6 \* \* \* cd \S+ && \S+/mssante-audit run --config audit\.toml", line)


def test_systemd_accepts_the_units_which_may_do_little_and_start_at_six_in_paris(tmp_path):
    path, advice = shutil.which("systemd-analyze"), "systemd-analyze is missing: apt-get install systemd"
    if path is None:
        pytest.fail(advice) if os.environ.get("CI") == "true" else pytest.skip(advice)
    for unit in DEPLOY.glob("mssante-audit.*"):  # with a program that is there
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(re.sub("ExecStart=\\S+", f"ExecStart={sys.executable}", text))
        assert ran(path, "verify", "--man=no", str(tmp_path / unit.name)) == (0, "", "")
    service = str(tmp_path / "mssante-audit.service")
    done = ran(path, "security", "--offline=yes", f"--threshold={EXPOSURE * 10:.0f}", service)
    assert done.returncode == 0, done.stdout
    assert f"{EXPOSURE} of 10" in DOC
    unit = RawConfigParser(strict=False)
    unit.read(DEPLOY / "mssante-audit.timer", encoding="utf-8")
    when = unit["Timer"]["OnCalendar"]
    done = ran(path, "calendar", "--base-time=2026-01-10 00:00:00 UTC", when)
    assert (done.returncode, "2026-01-10 05:00:00 UTC" in done.stdout) == (0, True)


@pytest.mark.long
def test_a_run_works_without_memory_both_writable_and_executable(place, settings):
    """As MemoryDenyWriteExecute has it: the kernel has the same rule for a process that asks for it."""
    code = (
        "import ctypes, os, sys; "
        "done = ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0); "
        "sys.exit(77) if done else os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    operators = load_space(place.folder / "data").entries["operator_id"]
    reports = {"enabled": True, "names": ["dn_consistency"]}
    dossiers = {"enabled": True, "operators": [operators.iloc[0]]}
    settings(inputs={"tolerated": ["list"]}, reports=reports, dossiers=dossiers)
    done = ran(sys.executable, "-c", code, *place.command("run")[1:], cwd=place.folder)
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3 or later)")
    assert done.returncode == 0, done.stdout + done.stderr
