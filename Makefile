# Two commands: `make demo` shows what this is, `make test` shows that it works. Both install everything by themselves.

# The first Python from 3.10 to 3.13 on this machine; name another with `make demo PYTHON=/path/to/python`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
EMODB ?= data/EmoDB
ENCODER ?= data/whisper-base

DEMO := demo
DEMO_RUN := $(DEMO)/results/bigru_mha/loso

.PHONY: demo test lint docs emodb bench constraints clean

# On the synthetic corpus: prepare, ten folds, table, figures, and the model of one fold exported, which then names the
# emotions of recordings of the speaker that it was not trained on, beside what they are. Minutes on two cores.
demo: $(VENV)/.installed
	rm -rf $(DEMO)
	$(BIN)/ser toy $(DEMO)/emodb
	$(BIN)/python recipes/EmoDB/train.py hparams/bigru_mha.yaml --data_folder $(DEMO)/emodb \
		--results_folder $(DEMO)/results --number_of_epochs 18 --lr 0.001 --batch_size 16
	$(BIN)/ser export $(DEMO_RUN)/seed_1234/spk08 $(DEMO)/model
	@echo "Synthetic recordings of speaker 08, whom this model was not trained on (chance: 1 in 7 right; all ten folds: above):"
	$(BIN)/ser classify $(DEMO)/emodb/wav/08*.wav --model $(DEMO)/model --any-sound --quiet \
		--truth $(DEMO_RUN)/seed_1234/spk08/predictions.csv
	@echo "To type ser yourself: source $(BIN)/activate"

# The same on the real corpus: `make emodb EMODB=/path/to/emodb`, or without a path to have it downloaded.
emodb: $(VENV)/.installed
	$(BIN)/python recipes/EmoDB/train.py hparams/bigru_mha.yaml --data_folder $(EMODB)
	$(BIN)/ser export results/EmoDB/bigru_mha/loso models/emodb --overwrite
	@echo "A recording of anger, by speaker 12, whom this model was not trained on:"
	$(BIN)/ser classify $(EMODB)/wav/12a01Wc.wav --model models/emodb

# Else every command that a test starts compiles the package anew where PYTHONDONTWRITEBYTECODE is set.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy

# The documentation, in build/docs/docs/index.html; about 40 s of one core.
docs: $(VENV)/.installed-docs
	rm -rf docs/api
	$(BIN)/python -m sphinx -q -W --keep-going -c docs . build/docs

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "got: no Python 3.10, 3.11, 3.12 or 3.13; expected: one of them; remedy: install it, or make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench,serve,ssl]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# Every benchmark, then benchmarks/README.md: half an hour and more on two quiet cores; `make bench BENCH=--quick` for fewer.
# On EmoDB where it is (EMODB=/path/to/emodb), else on the synthetic corpus; with ENCODER=/path/to/whisper-base also the
# systems that hear with it.
bench: $(VENV)/.installed-bench
	for name in features inference bundled training scale long_audio attention service stream service_abuse gpu; do \
		$(BIN)/python benchmarks/$$name.py $(if $(wildcard $(EMODB)/wav),--data_folder $(EMODB)) $(BENCH) || exit; done
	$(if $(wildcard $(ENCODER)/config.json),$(BIN)/python benchmarks/whisper.py --encoder $(ENCODER) \
		$(if $(wildcard $(EMODB)/wav),--data_folder $(EMODB)) $(BENCH))
	$(BIN)/python benchmarks/render.py

# Resolve anew and write the exact versions; see constraints.txt.
constraints:
	$(PYTHON) scripts/write_constraints.py

clean:
	rm -rf $(VENV) $(DEMO)
