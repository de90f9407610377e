"""No published number is lost: evidence/numbers.txt is what the committed predictions give, and what the pages say."""

from collections.abc import Iterator
from importlib import import_module

import pytest
from conftest import ROOT

NUMBERS = ROOT / "evidence" / "numbers.txt"
PAGES = {
    "suite EmoDB": ROOT / "docs" / "results" / "EmoDB" / "tables.md",
    "report bigru_mha.loso": ROOT / "docs" / "results" / "EmoDB" / "report.md",
    "leaks": ROOT / "recipes" / "EmoDB" / "leaks.md",
    "ablation ablation": ROOT / "docs" / "results" / "emodb.md",
    "ablation ablation_best": ROOT / "docs" / "results" / "emodb.md",
}
RUNS = sorted(path.parent.relative_to(ROOT / "evidence") for path in ROOT.glob("evidence/**/run.json"))
SAMPLE = [  # a network, seeds that agree, a nested choice with several seeds, one that leaks, another corpus
    "EmoDB/50_epochs/bigru.loso", "EmoDB/best.loso", "EmoDB/nested_mean.loso", "EmoDB/leaks/mfcc_svm.random",
    "EmoDB/bundled.loso", "CREMA-D/whisper_linear.session",
]  # fmt: skip


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return import_module("published_numbers")


@pytest.fixture(scope="module")
def published():
    return NUMBERS.read_text(encoding="utf-8").splitlines()


def lines_of(published, *pages) -> Iterator[str]:
    return (line for line in published if line.startswith(tuple(f"{page} | " for page in pages)))


def check_run(script, published, run):
    (name,) = (name for name, folder in script.published_runs().items() if folder == ROOT / "evidence" / run)
    expected = lines_of(published, *(f"{page} {name}" for page in ("report", "selection", "robustness")))
    assert sorted(set(script.report_numbers(name, ROOT / "evidence" / run))) == list(expected)


@pytest.mark.parametrize("run", SAMPLE)
def test_the_numbers_of_a_run_are_those_of_its_predictions(run, script, published):
    check_run(script, published, run)


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS, ids=str)
def test_the_numbers_of_every_run_are_those_of_its_predictions(run, script, published):
    check_run(script, published, run)


def test_the_comparisons_that_are_cited_are_those_of_the_predictions(script, published):
    expected = (line for line in published if line.startswith("compare "))
    assert sorted(set(script.comparison_numbers())) == list(expected)


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_all_the_numbers(page, script, published):
    """Which are computed anew in test_docs.py and test_leaks.py."""
    kept = {line.partition(" | ")[2].partition(" | ")[2] for line in lines_of(published, page)}
    text = PAGES[page].read_text(encoding="utf-8")
    found = {line.partition(" | ")[2].partition(" | ")[2] for line in script.numbers_in(page, text)}
    if page == "leaks":
        kept = {line for line in kept if "PRETRAINED" not in line and "whisper" not in line}
    assert kept <= found
    assert kept


def test_every_run_has_its_numbers(script, published):
    reported = {line.partition(" | ")[0].removeprefix("report ") for line in published if line.startswith("report ")}
    assert reported == set(script.published_runs())
    assert published == sorted(set(published))
