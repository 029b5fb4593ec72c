# `make` alone lists the targets. Each target installs what it needs into a virtual environment of its own:
# .venv for the reports, .venv-dev for JupyterLab, tests and benchmarks (see README); uv, itself pinned, fills both.
# Nothing is compiled while installing: Python does that for what is imported (half never is), and must keep it.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
DATA ?= data/sample
OUT ?= reports
NOTEBOOKS ?= notebooks
ARGS ?=
UV = .venv-uv/bin/uv --quiet
RESOLVE = $(UV) pip compile --universal --generate-hashes --python-version 3.11 --custom-compile-command 'make lock'

.PHONY: help report test test-long quick lint bench oracle lab sample pictures messages man docs dictionary lock sbom audit-dependencies clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

report: .venv/ok ## HTML reports of DATA (default: the sample) into OUT; more options in ARGS
	.venv/bin/mssante-audit report --data $(DATA) --out $(OUT) $(ARGS)

test: lint ## lint, types, notebook cleanliness and the test suite but for its long cases
	.venv-dev/bin/python -m pytest -m "not long" -n 3 --max-worker-restart 0 --dist loadscope --no-loadscope-reorder $(ARGS)

test-long: .venv-dev/ok ## the long cases: killed runs, nights in a row, laboratories, a browser
	.venv-dev/bin/python -m pytest -m long -n 3 --max-worker-restart 0 --dist loadscope $(ARGS)

quick: .venv-dev/ok ## the unit tests, for who edits: what starts no process, makes no report, takes no time
	.venv-dev/bin/python -m pytest -m "not slow and not long" -n 2 $(ARGS)

lint: .venv-dev/ok ## ruff (notebooks included), mypy, imports between rooms, clean notebooks
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports --no-logo
	.venv-dev/bin/python tools/check_notebooks.py notebooks/*.ipynb

bench: .venv-dev/ok ## every performance promise, as a ratio measured in one run
	.venv-dev/bin/python -m bench $(ARGS)

oracle: .venv-dev/ok ## Zonemaster, resolvers, s_client over what the tests serve: docs/dns_oracle.md, dns_verdicts.md, tls.md (says what it needs)
	.venv-dev/bin/python tools/oracle.py docs/dns_oracle.md docs/dns_verdicts.md
	.venv-dev/bin/python tools/tls_oracle.py docs/tls.md

lab: .venv-dev/ok ## JupyterLab on the notebooks, beginning with their README; asks no other machine for anything
	JUPYTER_CONFIG_PATH=$(CURDIR)/tools/lab .venv-dev/bin/jupyter lab $(NOTEBOOKS)/README.ipynb $(ARGS)

sample: .venv-dev/ok ## write data/sample, the demonstration, and tests/catalogue, every defect, again
	.venv-dev/bin/python -m tools.demo data/sample --force
	.venv-dev/bin/python -m tools.sample tests/catalogue --force

pictures: .venv-dev/ok ## take the pictures of README and docs/ again, from the sample, in Chromium
	PYTHONPATH=. .venv-dev/bin/python tools/pictures.py docs

messages: .venv-dev/ok ## bring the catalogues of translations (mssante_audit/locale/*.po) up to date, and say what lacks
	.venv-dev/bin/python tools/messages.py --update

man: .venv-dev/ok ## write the manual page of the command line into build/mssante-audit.1
	.venv-dev/bin/python tools/man_page.py build/mssante-audit.1

docs: .venv-docs/ok ## the documentation site, offline, warnings as errors: build/docs/index.html
	rm -rf build/docs build/docs-sources
	.venv-docs/bin/python tools/docs/sources.py build/docs-sources
	.venv-docs/bin/python tools/docs/demonstration.py build/docs-sources/published/demonstration
	.venv-docs/bin/python -m sphinx -q -W --keep-going -b html build/docs-sources build/docs

dictionary: .venv-dev/ok ## write docs/data.md, what every column means, from the docstrings that say it
	.venv-dev/bin/python tools/data_dictionary.py docs/data.md

lock: .venv-uv/ok ## resolve the dependencies again, with hashes
	$(RESOLVE) requirements/uv.in -o requirements/uv.lock
	$(RESOLVE) --extra report --extra observe pyproject.toml requirements/build.in -o requirements/base.lock
	$(RESOLVE) --extra dev --extra all -c requirements/base.lock pyproject.toml requirements/build.in -o requirements/dev.lock
	$(RESOLVE) -c requirements/dev.lock requirements/docs.in -o requirements/docs.lock

sbom: .venv-dev/ok ## the bill of materials of what is installed (CycloneDX), from the lock: build/sbom.cdx.json
	mkdir -p build
	.venv-dev/bin/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --spec-version 1.6 \
	  --output-reproducible --output-file build/sbom.cdx.json requirements/base.lock

audit-dependencies: .venv-dev/ok ## published advisories on every pin of the lock; wants a network, and fails without
	.venv-dev/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/base.lock

clean: ## remove the environments and the reports
	rm -rf .venv .venv-dev .venv-docs .venv-uv build reports

.venv-uv/ok: requirements/uv.lock
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	@touch $@

.venv-docs/ok: .venv-uv/ok requirements/base.lock requirements/docs.lock pyproject.toml
	$(UV) venv --clear --python $(PYTHON) $(@D)
	$(UV) pip install --python $(@D) --require-hashes -r requirements/base.lock -r requirements/docs.lock
	$(UV) pip install --python $(@D) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/ok .venv-dev/ok: .venv-uv/ok requirements/base.lock requirements/dev.lock pyproject.toml
	$(UV) venv --clear --python $(PYTHON) $(@D)
	$(UV) pip install --python $(@D) --require-hashes -r requirements/$(if $(filter .venv/ok,$@),base,dev).lock
	$(UV) pip install --python $(@D) --no-deps --no-build-isolation --editable .
	@touch $@
