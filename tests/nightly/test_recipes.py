"""deploy/ and docs/schedule.md: what they say is parsed, exists, and is done as far as it can be here."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from configparser import RawConfigParser
from pathlib import Path

import pytest
import yaml
from conftest import CATALOGUE
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from made_nights import night
from typer.main import get_command

from mssante_audit.cli.main import app
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.faults import faults
from mssante_audit.nightly.hooks import PREFIX, facts_of
from mssante_audit.nightly.mail import COLUMNS
from mssante_audit.space.trust import load_space
from mssante_audit.whitelist.signature import SAMPLE_SIGNER
from tools.man_page import commands

ROOT = Path(__file__).parents[2]
DEPLOY, LOCK = ROOT / "deploy", ROOT / "requirements" / "base.lock"
PINNED = re.compile(r"@sha256:[0-9a-f]{64}( AS \w+)?$")
SETTINGS = "/etc/mssante-audit/audit.toml"
DOC = (ROOT / "docs" / "schedule.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"mssante-audit ((?:[a-z]+ ?)+)")
EXPOSURE = 1.2
"""What `systemd-analyze security` may say at most; docs/schedule.md names it."""


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)
    assert found
    return found


def recipe_of(name: str) -> str:
    """Return a file of deploy/."""
    return (DEPLOY / name).read_text(encoding="utf-8")


def parse(words: list[str]) -> None:
    """Parse a command line as the program does, and run nothing; raise what it says of a wrong one."""
    program, *rest = words
    assert Path(program).name == "mssante-audit"
    command, context = get_command(app), None
    name = "mssante-audit"
    while True:
        context = command.make_context(name, rest, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])


def simple(line: str) -> list[str]:
    """Return the program's words in a line of shell, up to what follows it."""
    words = shlex.split(line)
    begin = next(n for n, word in enumerate(words) if Path(word).name == "mssante-audit")
    return re.split(r" (?:\|\||&&|>|;) ?", shlex.join(words[begin:]).replace("'", ""))[0].split()


# -- the image ----------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    return [(word, " ".join(rest)) for word, *rest in map(str.split, lines)]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def test_the_image_is_pinned_and_of_a_user_without_rights():
    assert of("FROM")
    assert all(PINNED.search(image) for image in of("FROM"))
    assert instructions()[-5:][0][0] == "WORKDIR"
    user, group = of("USER")[-1].split(":")
    assert int(user) == int(group) > 0
    installs = [line for line in of("RUN") if "pip install" in line]
    assert all("--require-hashes" in line or "--no-index --no-deps" in line for line in installs)
    assert not [line for line in of("RUN") if "curl" in line or "apt-get" in line or "http" in line]
    assert not of("ADD")


def test_what_is_copied_is_what_the_context_holds():
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    shown = {line[1:] for line in ignore if line.startswith("!")}
    copied = {name for rest in of("COPY") if "--from" not in rest for name in rest.split()[:-1]}
    assert ignore[1] == "*"
    assert shown == copied
    assert all((ROOT / name).exists() for name in copied)


class Image:
    """The Dockerfile's steps, done below a folder in place of the root, by the interpreter of the tests."""

    def __init__(self, root: Path) -> None:
        self.root = self.cwd = root
        self.env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        for folder in ("opt", "etc/mssante-audit", "var/lib", "build"):
            (root / folder).mkdir(parents=True)

    def here(self, text: str) -> str:
        return re.sub(r"(?<![\w./-])/(?=(?:opt|etc|var|build)\b)", f"{self.root}/", text)

    def do(self, word: str, rest: str) -> None:
        getattr(self, word.lower(), lambda _: None)(rest)

    def workdir(self, rest: str) -> None:
        self.cwd = Path(self.here(rest))
        self.cwd.mkdir(exist_ok=True)

    def env_(self, rest: str) -> None:
        self.env |= dict(pair.split("=", 1) for pair in self.here(rest).split())

    def copy(self, rest: str) -> None:
        if rest.startswith("--from=build"):  # stages have one root here
            _, source, target = rest.split()
            assert source == target
            return
        *sources, target = rest.split()
        for source in sources:
            if (ROOT / source).is_dir():
                left_out = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, self.cwd / target, ignore=left_out)
            else:
                (self.cwd / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, self.cwd / target)

    def run(self, rest: str) -> None:
        if rest.startswith("install ") and os.geteuid():
            rest = re.sub(r"-[og] \d+", "", rest)  # only root gives folders away
        uv = ROOT / ".venv-uv" / "bin" / "uv"
        if "--require-hashes" in rest and uv.is_file():  # the same pins and hashes, out of its cache
            program, _, what = rest.partition(" install --no-cache-dir ")
            python = Path(program).with_name("python")
            quick = f"{uv} pip install --quiet --offline --python {python} {what}"
            if self.shell(quick).returncode == 0:
                return
        done = self.shell(rest)
        assert done.returncode == 0, done.stdout + done.stderr

    def shell(self, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-ec", self.here(line)],
            cwd=self.cwd, env=self.env | environment, capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.mark.long
def test_the_steps_of_the_image_make_one_that_works(tmp_path):
    image = Image(tmp_path)
    for word, rest in instructions():
        image.do("env_" if word == "ENV" else word, rest)
    home = image.shell("python -c 'import mssante_audit; print(mssante_audit.__file__)'").stdout
    assert home.startswith(str(tmp_path / "opt" / "mssante-audit"))
    data = tmp_path / "var" / "lib" / "mssante-audit" / "data"
    for name in ("archive", "anchors"):
        shutil.copytree(CATALOGUE / name, data / name)
    (tmp_path / SETTINGS[1:]).write_text(
        f'[data]\nfolder = "{data}"\nanchors = ["{data}/anchors"]\n'
        f'signer = "{SAMPLE_SIGNER}"\n[output]\nfolder = "{data.parent}/output"\n'
        "[reports]\nenabled = false\n[dossiers]\nenabled = false\n"
    )
    (entry,), (command,), (check,) = of("ENTRYPOINT"), of("CMD"), of("HEALTHCHECK")
    words = [*json.loads(entry), *json.loads(command)]
    health = json.loads(check.partition(" CMD ")[2])
    for line in (words, health):
        parse(line)
        assert SETTINGS in line
    assert image.shell(shlex.join(health)).returncode == 1  # no night yet
    done = image.shell(f"{shlex.join(words)} --as-of 2026-03-03T06:00:00Z")
    assert (done.returncode, done.stderr) == (0, "")
    assert image.shell(shlex.join(health)).returncode == 0


# -- Kubernetes ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def objects() -> dict[str, dict]:
    found = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
    return {one["kind"]: one for one in found}


def test_the_cron_job_may_do_little_and_never_runs_twice_at_once(objects):
    job = objects["CronJob"]
    spec, run = job["spec"], job["spec"]["jobTemplate"]["spec"]
    pod = run["template"]["spec"]
    (container,) = pod["containers"]
    user, group = map(int, of("USER")[-1].split(":"))
    for part, wanted in (
        (job, {"apiVersion": "batch/v1"}),
        (spec, {"concurrencyPolicy": "Forbid", "timeZone": "Europe/Paris"}),
        (pod, {"restartPolicy": "Never", "automountServiceAccountToken": False}),
        (pod["securityContext"], {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": group}),
        (container["securityContext"], {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                                        "capabilities": {"drop": ["ALL"]}}),
    ):  # fmt: skip
        assert part | wanted == part
    assert len(spec["schedule"].split()) == 5
    assert min(spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) > 0
    assert 0 < run["activeDeadlineSeconds"] < 24 * 3600
    assert PINNED.search(container["image"])
    assert "memory" in container["resources"]["limits"]
    parse([*json.loads(of("ENTRYPOINT")[0]), *container["args"]])


def test_what_the_cron_job_mounts_is_there_and_all_that_it_writes(objects, tmp_path):
    pod = objects["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == set(volumes)
    written = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert written == {"/var/lib/mssante-audit", "/tmp"}
    assert volumes["secrets"]["secret"]["defaultMode"] == 0o400  # fsGroup adds its group
    claim = volumes["nights"]["persistentVolumeClaim"]["claimName"]
    assert claim == objects["PersistentVolumeClaim"]["metadata"]["name"]
    told = objects["ConfigMap"]
    assert volumes["settings"]["configMap"]["name"] == told["metadata"]["name"]
    file = tmp_path / "audit.toml"
    file.write_text(told["data"][mounts[SETTINGS]["subPath"]], encoding="utf-8")
    config = load_config(file)
    below = [config.data.folder, config.output.folder]
    assert all(str(folder).startswith("/var/lib/mssante-audit/") for folder in below)
    assert config.mail.password.startswith("file:/etc/mssante-audit/secrets/")
    assert "/etc/mssante-audit/igc-sante" in mounts
    told_faults = [str(fault) for fault in faults(config)]
    assert [line for line in told_faults if "igc-sante: no such certificates" not in line] == []


# -- Airflow, Prefect, and all others -----------------------------------------------------------------------


def arguments(code: str, name: str) -> dict[str, object]:
    """Return the literal arguments of a call."""
    every = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    (call,) = (node for node in every if ast.unparse(node.func) == name)
    return {k.arg: k.value.value for k in call.keywords if k.arg and isinstance(k.value, ast.Constant)}


def test_the_airflow_snippet_runs_one_night_at_a_time():
    airflow = recipe_of("airflow_dag.py")
    told = arguments(airflow, "DAG")
    assert told | {"catchup": False, "max_active_runs": 1, "schedule": "0 6 * * *"} == told
    line = str(arguments(airflow, "BashOperator")["bash_command"])
    parse(simple(line))
    outcomes = {}
    for status in (0, 1, 2, 3, 4, 143):
        played = re.sub(r"^.*audit\.toml", f"(exit {status})", line)
        outcomes[status] = subprocess.run(["bash", "-c", played], check=False).returncode
    assert [status for status, told in outcomes.items() if told == 0] == [0, 1]


def test_the_prefect_snippet_fails_as_the_night_does(monkeypatch):
    prefect = recipe_of("prefect_flow.py")
    assert arguments(prefect, "mssante_audit.serve")["limit"] == 1
    tree = ast.parse(prefect)
    (command,) = [n.value for n in tree.body if isinstance(n, ast.Assign)]
    parse(ast.literal_eval(command))
    (function,) = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    function.decorator_list.clear()
    outcomes = {}
    for status in (0, 1, 2, 3, 4, -9):
        scope = {"subprocess": subprocess, "COMMAND": []}
        exec(compile(ast.Module([function], []), "prefect", "exec"), scope)
        answer = subprocess.CompletedProcess([], status, "the mail", "")
        monkeypatch.setattr(subprocess, "run", lambda *_, answer=answer, **__: answer)
        try:
            scope["mssante_audit"]()
            outcomes[status] = "well"
        except RuntimeError:
            outcomes[status] = "failed"
    assert [status for status, told in outcomes.items() if told == "well"] == [0, 1]


def command_lines() -> dict[str, list[str]]:
    """Return every command line of the recipes by where it stands."""
    found = {}
    service = RawConfigParser(strict=False)
    service.read(DEPLOY / "mssante-audit.service", encoding="utf-8")
    found["service"] = service["Service"]["ExecStart"]
    gitlab, github = (yaml.safe_load(recipe_of(name)) for name in ("gitlab-ci.yaml", "github.yaml"))
    (job,) = gitlab.values()
    found |= {f"gitlab {n}": line for n, line in enumerate(job["script"]) if line.startswith("mssante-audit")}
    (steps,) = (one["steps"] for one in github["jobs"].values())
    runs = [step["run"] for step in steps if "run" in step]
    found |= {f"github {n}": line for n, line in enumerate(runs) if line.startswith("mssante-audit")}
    found["cron"] = blocks("crontab")[0].splitlines()[1].partition("&& ")[2]
    console = [line[2:] for text in blocks("console") for line in text.splitlines() if line[:2] == "$ "]
    console = [line.partition("  #")[0].rpartition("&& ")[2] for line in console]
    found |= {f"console {n}": line for n, line in enumerate(console) if re.match(r"\S*mssante-audit ", line)}
    return {where: simple(line) for where, line in found.items()}


def test_every_command_line_can_be_parsed():
    lines = command_lines()
    assert {where.split()[0] for where in lines} == {"service", "gitlab", "github", "cron", "console"}
    assert len(lines) > 8
    for line in lines.values():
        parse(line)


def test_what_the_doctor_misses_is_no_night_of_findings():
    """GitLab allows status 1 to pass: there the doctor's is another."""
    gitlab = yaml.safe_load(recipe_of("gitlab-ci.yaml"))
    (job,) = gitlab.values()
    assert job["allow_failure"] == {"exit_codes": 1}
    assert PINNED.search(job["image"])
    (line,) = [line for line in job["script"] if " doctor " in line]
    assert subprocess.run(["sh", "-c", line.replace("mssante-audit", "false")], check=False).returncode == 2


# -- what is installed --------------------------------------------------------------------------------------


def recipe(target: str, tmp_path: Path) -> str:
    """Return the last command of a target of the Makefile, as the tests' own environment does it."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n\t", " ")
    (lines,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    line = lines.rstrip("\n").rpartition("\t")[2]
    return line.replace(".venv-dev/bin", str(Path(sys.executable).parent)).replace(" build/", f" {tmp_path}/")


def test_the_bill_of_materials_is_cyclonedx_and_all_of_the_lock(tmp_path):
    line = recipe("sbom", tmp_path)
    done = subprocess.run(["sh", "-ec", line], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "sbom.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    told = json.loads(text)
    lock = LOCK.read_text(encoding="utf-8")
    pins = set(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))
    assert {(one["name"], one["version"]) for one in told["components"]} == pins
    references = [reference for one in told["components"] for reference in one["externalReferences"]]
    hashes = {hashed["content"] for reference in references for hashed in reference["hashes"]}
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", lock))
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    component = told["metadata"]["component"]
    assert (component["name"], component["version"]) == (about["name"], about["version"])


def test_without_a_network_no_dependency_counts_as_audited(tmp_path):
    line = recipe("audit-dependencies", tmp_path)
    assert "--strict" in line
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    cache = {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environment = {**os.environ, **nowhere, **{n.lower(): v for n, v in nowhere.items()}, **cache}
    done = subprocess.run(
        ["sh", "-ec", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode != 0
    assert "No known vulnerabilities" not in done.stdout + done.stderr


# -- docs/schedule.md ---------------------------------------------------------------------------------------


def test_jobs_are_yaml_of_the_shape_that_gitlab_and_github_read():
    gitlab, github = (yaml.safe_load(recipe_of(name)) for name in ("gitlab-ci.yaml", "github.yaml"))
    (job,) = gitlab.values()
    assert all(isinstance(line, str) for line in job["script"])
    (steps,) = (job["steps"] for job in github["jobs"].values())
    assert all(("uses" in step) != ("run" in step) for step in steps)
    used = [step["uses"] for step in steps if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", one) for one in used)
    told = [DOC, recipe_of("gitlab-ci.yaml"), recipe_of("github.yaml")]
    installs = [line for text in told for line in text.splitlines() if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert github[True]["schedule"] == [{"cron": "0 5 * * *"}]  # YAML 1.1 takes `on` for true


@pytest.mark.parametrize(
    "path", [ROOT / "docs" / "schedule.md", *sorted(DEPLOY.glob("*"))], ids=lambda p: p.name
)
def test_commands_named_exist(path):
    named = [found[1].split() for found in COMMAND.finditer(path.read_text(encoding="utf-8"))]
    known = {words for words, _ in commands(get_command(app))}
    # What follows a command's name may be an argument of it, or prose.
    assert [words for words in named if not {tuple(words[:2]), tuple(words[:1])} & known] == []


def test_the_variables_named_are_those_that_hooks_get():
    blind = night(failed=("audit",))
    told = {f"{PREFIX}{name.upper()}" for name in facts_of(blind)}
    assert told >= {"MSSANTE_RUN", "MSSANTE_SITE"}
    assert all(f"`{name}`" in DOC for name in told)


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


# -- systemd ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def analyze():
    path = shutil.which("systemd-analyze")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is missing, and CI must not go without it: apt-get install systemd")
        pytest.skip("systemd-analyze is missing on this machine: apt-get install systemd")

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run([path, *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def units(tmp_path):
    """The units, with a program that is there."""
    for unit in DEPLOY.glob("mssante-audit.*"):
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(re.sub("ExecStart=\\S+", f"ExecStart={sys.executable}", text))
    return tmp_path


def test_systemd_accepts_the_units_and_refuses_what_is_wrong(analyze, units):
    service = units / "mssante-audit.service"
    for unit in (service, units / "mssante-audit.timer"):
        assert analyze("verify", "--man=no", str(unit)) == (0, "")
    service.write_text(service.read_text().replace("Type=oneshot", "Type=oneshto"))
    assert "oneshto" in analyze("verify", "--man=no", str(service))[1]


def test_the_service_may_do_little(analyze, units):
    status, told = analyze(
        "security", "--offline=yes", f"--threshold={EXPOSURE * 10:.0f}", str(units / "mssante-audit.service")
    )
    assert status == 0, told
    level = re.search(r"Overall exposure level for mssante-audit\.service: ([\d.]+)", told)
    assert float(level[1]) <= EXPOSURE
    assert f"{EXPOSURE} of 10" in DOC


def test_the_timer_is_that_of_six_in_paris(analyze):
    unit = RawConfigParser(strict=False)
    unit.read(DEPLOY / "mssante-audit.timer", encoding="utf-8")
    when = unit["Timer"]["OnCalendar"]
    status, told = analyze("calendar", "--base-time=2026-01-10 00:00:00 UTC", when)
    assert status == 0, told
    assert "2026-01-10 05:00:00 UTC" in told


@pytest.mark.long
def test_a_run_works_without_memory_both_writable_and_executable(place, settings):
    """As MemoryDenyWriteExecute has it: the kernel has the same rule for a process that asks for it."""
    code = (
        "import ctypes, os, sys; "
        "done = ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0); "
        "sys.exit(77) if done else os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    operators = load_space(place.folder / "data").entries["operator_id"]
    settings(
        inputs={"tolerated": ["list"]},
        reports={"enabled": True, "names": ["dn_consistency"]},
        dossiers={"enabled": True, "operators": [operators.iloc[0]]},
    )
    command = [sys.executable, "-c", code, *place.command("run")[1:]]
    done = subprocess.run(command, cwd=place.folder, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3 or later)")
    assert done.returncode == 0, done.stdout + done.stderr
