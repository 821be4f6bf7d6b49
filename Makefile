# Most targets set up the environment; the first time, this takes a minute or two.
VENV := .venv
JOBS ?= 2
GRANET ?=
AUTHORS ?=
IMAGES ?=
# For `make gpu-check`.
STUDY ?= paper
DEVICE ?= cuda
# As in envs/setup.sh; looked up on use, because the first setup installs it.
UV = $(or $(shell command -v uv),$(VENV)/uv/bin/uv)

# The build of PyTorch: CUDA=13 (requirements.lock), CUDA=12 (requirements-cuda12.lock) or TORCH=cpu.
# The installed build stays until the command line names another; clusters set a CUDA variable.
ASKED :=
ifeq ($(origin CUDA),command line)
    ASKED += cuda$(CUDA)
endif
ifeq ($(origin TORCH),command line)
    ASKED += $(TORCH)
endif
ifneq ($(filter-out cuda13 cuda12 cpu,$(ASKED))$(word 2,$(ASKED)),)
    $(error No such build of PyTorch; name one of CUDA=13, CUDA=12 and TORCH=cpu)
endif
# envs/setup.sh marks a setup, with the build in the name of the mark, so that another build is another
# file to make; an interrupted setup leaves the name of its build.
MARKS := $(wildcard $(VENV)/.ready-* $(VENV)/.unfinished-*)
BUILD := $(or $(strip $(ASKED)),$(lastword $(subst -, ,$(firstword $(notdir $(MARKS))))),cuda13)
READY := $(VENV)/.ready-$(BUILD)
# The environment and the tests of `make test-older-torch`.
OLDER := .venv-cuda12
# The environment of `make test-optimizers`.
OPTIMIZERS := .venv-optimizers
# The environment of `make site`: it reads the package and does not install it.
SITE := .venv-site
ENGINE := tests/training/test_cuda_graphs.py tests/training/test_train.py tests/pruning/test_pruner.py \
    tests/training/test_on_the_stand_in_gpu.py tests/training/test_planted_faults.py \
    tests/pruning/test_saliency.py tests/pruning/test_topk.py
# The tests of `make test`: those that no other target runs.
QUICK := "not slow and not long and not cluster and not docs"
# The tests of `make test-light`.
PRUNER := tests/pruning tests/methods tests/storage/test_packing.py tests/promises/test_every_method.py \
    $(wildcard tests/promises/test_loops_*.py)
# Recipes search the environment first, so that Snakemake's jobs find the same Python.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo paper report release measure bench bench-peers test test-long test-slow \
    test-extending test-docs test-light test-cluster test-older-torch test-optimizers gpu-check faults \
    compare-authors check format schema site lock lock-older lock-check clean

help: ## print this list
	@echo "usage: make TARGET [JOBS=2] [PYTHON=python3]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make the virtual environment .venv [CUDA=12: older drivers, V100; TORCH=cpu: no GPU]

$(READY): requirements.lock requirements-cuda12.lock pyproject.toml envs/setup.sh
	envs/setup.sh "$(VENV)" $(BUILD)

demo: $(READY) ## train the demo grid on digits, and make its tables, figures, page and report (5 to 10 minutes)
	snakemake --cores $(JOBS) --configfile config/demo.yaml --quiet host rules
	snakemake --configfile config/demo.yaml --report results/demo/report.html --quiet all
	@echo
	@cat results/demo/tables/ranking.md
	@echo
	@echo "See results/demo/page.html, results/demo/report.html and results/demo/figures/"

paper: $(READY) ## check the shipped results, and make their tables, figures and claims in figures/ (a minute)
	python -m fggp check-results results/reference
	ls results/reference/*/cells.json | cut -d/ -f3 | tr '\n' '\0' | xargs -0 -P $(JOBS) -n 1 sh -c \
	    'python -m fggp analyse "results/reference/$$1" --partial --out "figures/$$1" > /dev/null' analyse
	@for study in figures/*/; do echo; echo "$$study"; cat "$$study/tables/claims.md"; done
	@echo
	@echo "Tables and figures are in figures/STUDY/; figures/README.md describes them."

report: paper ## rewrite the pages with a template, those of shipped studies and the result in README.md, from files
	python -m fggp report

release: $(READY) ## build dist/fggp-VERSION.tar.gz from the last commit, and check it unpacked
	envs/release.sh

measure: release ## time each step of docs/steps.yaml in the unpacked release (8 minutes on a quiet machine)
	python benchmarks/steps.py dist/fggp-$$(python -c 'import fggp; print(fggp.__version__)').tar.gz

bench: $(READY) ## compare speed and memory with other tools, on the CPU (about 20 minutes)
	python benchmarks/run.py $(if $(GRANET),--granet "$(GRANET)")

bench-peers: $(READY) ## install rigl-torch, one of the tools that `make bench` compares with, into .venv
	"$(UV)" pip install --python "$(VENV)/bin/python" --no-deps rigl-torch==0.5.2

test: $(READY) ## run the short tests (5 to 9 minutes)
	pytest -n $(JOBS) --dist worksteal -m $(QUICK)

test-long: $(READY) ## test Snakemake, stopped trainings, the stand-in GPU, pages and examples (8 minutes)
	pytest -n $(JOBS) --dist worksteal -m "long and not slow"

test-slow: $(READY) ## run the tests that take longer
	pytest -n $(JOBS) --dist worksteal -m slow

test-older-torch: ## run the tests of the engine with the PyTorch of requirements-cuda12.lock, in .venv-cuda12
	$(MAKE) VENV=$(OLDER) CUDA=12 setup
	$(OLDER)/bin/python -m pytest -n $(JOBS) --dist worksteal -m "not slow and not cluster and not docs" $(ENGINE)

test-light: $(READY) ## install only the wheel and PyTorch 2.4, and run the tests of the pruner there
	envs/light.sh $(UV) .venv-light 2.4.1
	.venv-light/bin/python -m pytest -n $(JOBS) -m "not slow" -p no:cacheprovider $(PRUNER)

test-optimizers: ## test the optimizers of four libraries, and shrink against torch-pruning, in .venv-optimizers
	$(MAKE) VENV=$(OPTIMIZERS) setup
	$(UV) pip install --quiet --python $(OPTIMIZERS)/bin/python --require-hashes -r requirements-optimizers.lock
	$(OPTIMIZERS)/bin/python -m pytest -n $(JOBS) tests/pruning/test_optimizers.py \
	    tests/pruning/test_optimizer_libraries.py tests/fast/test_against_torch_pruning.py

test-extending: $(READY) ## add a method, a network, a data set and a figure as one file each (a minute)
	pytest -n $(JOBS) tests/promises/test_extensions.py tests/promises/test_new_figure.py \
	    tests/promises/test_contributing.py tests/promises/test_plugins.py \
	    tests/promises/test_everything_of_ones_own.py

test-docs: $(READY) ## run the command blocks of all pages in a copy, and list skipped ones with the reason (a minute)
	pytest -n $(JOBS) -m docs tests/docs

gpu-check: $(READY) ## check a GPU before a grid is trained there, in five minutes [STUDY=paper] [DEVICE=cuda or cpu]
	python -m fggp doctor "$(STUDY)" --gpu --device "$(DEVICE)"

test-cluster: $(READY) ## run the profile in a one-node Slurm; as root, with slurm-wlm and munge installed
	pytest -rs -m "cluster and not slow" tests/cluster

faults: $(READY) ## kill trainings, mutate studies and damage files; nothing may be lost or wrong (10 minutes)
	PYTHONPATH=src:tests/support python tests/faults/campaign.py --jobs $(JOBS)

compare-authors: $(READY) ## compare masks with the authors' code, AUTHORS=PATH [IMAGES=ARCHIVE], into docs/ (4 minutes)
	@test -n "$(AUTHORS)" || { echo "compare-authors: name a clone of" \
	    "https://github.com/LingkaiZhu1999/NetworkPruning: make compare-authors AUTHORS=PATH"; exit 2; } >&2
	python tests/authors/compare.py "$(AUTHORS)" $(if $(IMAGES),--images "$(IMAGES)")

check: $(READY) ## ruff, mypy, snakefmt, snakemake --lint, codespell and the list of avoided words and phrases
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check --compact-diff Snakefile workflow
	snakemake --lint --configfile config/demo.yaml
	codespell --dictionary - --dictionary tests/promises/words.txt
	pytest tests/promises/test_language.py

format: $(READY) ## apply the fixes and the formatting of ruff and snakefmt
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

COMPILE_NONE = "$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate
COMPILE_ANY = $(COMPILE_NONE) pyproject.toml
COMPILE = $(COMPILE_ANY) --extra workflow --extra dev --extra fast --extra examples --extra completion --extra schedulers
COMPILE_OPTIMIZERS = $(COMPILE_ANY) --extra optimizers --extra foreign
COMPILE_SITE = $(COMPILE_NONE) --group pyproject.toml:site

site: $(READY) ## build the documentation in site/, strictly, and check its links (half a minute)
	"$(UV)" venv --quiet --allow-existing $(SITE)
	"$(UV)" pip sync --quiet --python $(SITE)/bin/python --require-hashes requirements-site.lock
	$(SITE)/bin/python docs/site/collect.py build/site
	$(SITE)/bin/zensical build --strict --clean
	$(SITE)/bin/python docs/site/links.py site
	@echo "Open site/index.html in a browser."

schema: $(READY) ## write config/study.schema.json and the table of keys in config/README.md from the program
	python -m fggp schema --write config

lock: $(READY) ## choose the newest versions, with their hashes, for all lock files
	$(COMPILE) --upgrade -o requirements.lock
	$(MAKE) lock-older
	cp requirements.lock requirements-optimizers.lock
	$(COMPILE_OPTIMIZERS) -o requirements-optimizers.lock
	$(COMPILE_SITE) --upgrade -o requirements-site.lock

lock-older: $(READY) ## write requirements-cuda12.lock: requirements.lock with the PyTorch of envs/cuda12.txt
	cp requirements.lock requirements-cuda12.lock
	$(COMPILE) --constraint envs/cuda12.txt -o requirements-cuda12.lock

lock-check: $(READY) ## check that all lock files still fit pyproject.toml, without installing (half a minute)
	envs/lock-check.sh requirements.lock $(COMPILE)
	envs/lock-check.sh requirements-cuda12.lock $(COMPILE) --constraint envs/cuda12.txt
	envs/lock-check.sh requirements-optimizers.lock $(COMPILE_OPTIMIZERS)
	envs/lock-check.sh requirements-site.lock $(COMPILE_SITE)

clean: ## delete the demo's results, caches and logs; keep data and other studies
	rm -rf results/demo logs .snakemake .pytest_cache .mypy_cache .ruff_cache
