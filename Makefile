# make book, make test: nothing else is needed. Both set up .venv on their first run.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SITE := _build/html
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help book book-student book-instructor slides page test notebooks record links serve lint format clean
.DEFAULT_GOAL := help

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt constraints.txt pyproject.toml
	@echo "== Setting up .venv (once, some minutes)"
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11, 3.12 or 3.13 is needed, this is {v[0]}.{v[1]}; name another: make book PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.txt --constraint constraints.txt
	$(BIN)/pip install --quiet --no-deps llms-from-scratch==1.0.19  # measured beside ours; what we call needs none of its dependencies
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

book: $(READY)  ## run every chapter and build the site in _build/html
	@echo "== Building the book"
	$(BIN)/python -m tools.build

book-student: book  ## the site and its notebooks without the solutions, in _build/student
	$(BIN)/python -m tools.editions student

book-instructor: book  ## notebooks with solutions, points and common mistakes, in _build/instructor
	$(BIN)/python -m tools.editions instructor

slides: book  ## slides of the chapters with a speaker's notes, in _build/slides
	$(BIN)/python -m tools.editions slides

page: $(READY)  ## build one chapter: make page P=tokens
	@test -n "$(P)" || { echo "name a chapter: make page P=tokens"; exit 2; }
	$(BIN)/python -m tools.build --only $(P)

test: $(READY)  ## pass every test (builds the book first, if it is not built)
	@echo "== Testing"
	$(BIN)/python -m tools.build
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

notebooks: $(READY)  ## run every chapter as a notebook: make notebooks CHECKPOINT=gpt2
	$(if $(CHECKPOINT),GPT2COURSE_CHECKPOINT=$(CHECKPOINT)) $(BIN)/python -m pytest tests/chapters

record: $(READY)  ## write the reference outputs that the tests compare with
	$(BIN)/python tests/references.py

serve: book  ## show the site on http://localhost:8000
	$(BIN)/python -m http.server --directory $(SITE) --bind 127.0.0.1 8000

links: book  ## ask every other site that the book links to (needs the internet)
	$(BIN)/jupyter-book build . --builder linkcheck
	$(BIN)/python -m tools.links

lint: $(READY)  ## check style, format and workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet .github

format: $(READY)  ## mend style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and everything built
	rm -rf .venv _build dist
