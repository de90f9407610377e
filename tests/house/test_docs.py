"""What the documents say is true: code blocks run, commands and files exist, tables are those that the report wrote."""

import re
import shutil
from importlib import import_module

import forked
import pytest
from conftest import ROOT, TINY, train

from ser_plugins.export.folder import export_model

FOLDERS = ("", "benchmarks", "docs", "docs/**", "recipes", "recipes/*")
DOCUMENTS = sorted({path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md".lstrip("/"))})
TABLES, RESULTS_PAGE = ROOT / "docs" / "results" / "EmoDB", ROOT / "docs" / "results" / "emodb.md"
EVIDENCE = ROOT / "evidence" / "EmoDB"


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def after_the_demo(toy_emodb, tmp_path_factory):
    """A folder as `make demo` leaves it, made from one tiny fold."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(toy_emodb, folder / "demo" / "emodb")
    train(folder / "demo" / "emodb", folder / "results", "--fold", "spk03")
    export_model(folder / "results" / "bigru_mha" / "loso" / "seed_1234" / "spk03", folder / "demo" / "model")
    return folder


# The worked example of recipes/README.md and the keys of recipes have tests of their own.
RUN = [path for path in DOCUMENTS if "recipes" not in path.parts and blocks(path, "python")]


@pytest.mark.parametrize("path", RUN, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_blocks_run(path, after_the_demo, tmp_path):
    script = tmp_path / "blocks.py"
    script.write_text("\n".join(blocks(path, "python")), encoding="utf-8")
    forked.run(tmp_path / "printed", script, cwd=after_the_demo)


def test_yaml_blocks_build():
    from hyperpyyaml import load_hyperpyyaml

    built = [block for path in DOCUMENTS if "recipes" not in path.parts for block in blocks(path, "yaml")]
    assert len(built) >= 4
    for block in built:
        if "hf:" not in block:  # a pretrained encoder, which is not here
            assert load_hyperpyyaml(block)


@pytest.mark.parametrize("path", [ROOT / "README.md", *sorted(ROOT.glob("recipes/**/README.md"))], ids=str)
def test_readmes_are_short(path):
    assert len(path.read_bytes()) <= 6000


def test_the_first_screen_of_the_readme_has_a_users_first_command():
    assert "ser classify speech.wav" in "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25])


def test_the_worked_example_of_a_new_corpus_works(tmp_path):
    """The code blocks of recipes/README.md, in their order, put where the text says."""
    document = ROOT / "recipes" / "README.md"
    corpus, *scripts = blocks(document, "python")
    (keys,), (command,) = blocks(document, "yaml"), blocks(document, "bash")
    recipe = tmp_path / "recipes" / "Tiny"
    (recipe / "hparams").mkdir(parents=True)
    for name, script in zip(("tiny_prepare.py", "train.py"), scripts, strict=True):
        assert f"`recipes/Tiny/{name}`" in document.read_text(encoding="utf-8")
        (recipe / name).write_text(script, encoding="utf-8")
    text = (ROOT / "recipes/EmoDB/hparams/bigru_mha.yaml").read_text(encoding="utf-8")
    for line in keys.splitlines():
        text, changed = re.subn(rf"^{line.split(':')[0]}:.*$", line, text, flags=re.M)
        assert changed == 1
    (recipe / "hparams" / "bigru_mha.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "corpus.py").write_text(corpus, encoding="utf-8")
    forked.run(tmp_path / "said", "corpus.py", cwd=tmp_path)
    words = [*command.split()[1:], *TINY, "--number_of_epochs", "1", "--jobs", "1"]
    forked.run(tmp_path / "printed", *words, cwd=tmp_path)
    assert "pooled over 3 folds" in (tmp_path / "printed").read_text(encoding="utf-8")
    assert "Tiny, emotion in 2 classes" in (tmp_path / "results/Tiny/bigru_mha/loso/results.md").read_text()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), target


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if path.name not in ("CHANGELOG.md", "mutation.md")], ids=str
)
def test_named_files_exist(path):
    """Paths between backticks that lead into a room, below the package or the repository."""
    rooms = "|".join(sorted(folder.name for folder in (ROOT / "ser_plugins").iterdir() if folder.is_dir()))
    named = re.findall(
        rf"`((?:ser_plugins/|tests/|scripts/|recipes/(?!Tiny)|examples/|(?:{rooms})/)[\w/.]+)`", path.read_text("utf-8")
    )
    assert [name for name in named if not any((root / name).exists() for root in (ROOT, ROOT / "ser_plugins"))] == []


def test_named_commands_exist():
    from ser_plugins.cli import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:^|`)ser (\w[\w-]*)", text, re.M)) <= known
        assert set(re.findall(r"(?:^|`)make (\w+)", text, re.M)) <= set(targets)


def test_options_of_commands_exist():
    from typer.main import get_command

    from ser_plugins.cli import app

    commands = get_command(app).commands
    options = {name: {option for one in command.params for option in one.opts} for name, command in commands.items()}
    lines = [line for path in DOCUMENTS for block in blocks(path, "bash") for line in block.splitlines()]
    typed = [line.partition("   #")[0].split() for line in lines if line.startswith("ser ")]
    assert len(typed) >= 15
    for _, name, *words in typed:
        assert {word for word in words if word.startswith("--")} <= options[name], (name, words)


def test_published_tables_of_all_systems_are_what_the_suite_writes_from_the_committed_files(tmp_path):
    from ser_plugins.evaluation.paper.suite import find_runs, write_suite

    published = (TABLES / "tables.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^Written by `(.*?)`", published)
    assert [ROOT / folder for folder in command.split()[2:]] == [EVIDENCE, TABLES]
    for path in write_suite(find_runs(EVIDENCE), tmp_path, command=command):
        there = TABLES / path.relative_to(tmp_path)
        # Of figures, whose bytes are those of one version of matplotlib, that they are there.
        assert there.is_file() if path.parent.name == "figures" else there.read_bytes() == path.read_bytes(), there


def test_the_ways_through_the_house_lead_through_files_that_are_there():
    text = (ROOT / "docs" / "ways.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `") and ".py`" in line]
    assert len(rows) >= 30
    for row in rows:
        places = re.findall(r"`([\w/]+\.py)`", row)
        room = (ROOT / "ser_plugins" / places[0]).parent
        for place in places:
            paths = ROOT / place, ROOT / "ser_plugins" / place, room / place, ROOT / "ser_plugins" / "corpora" / place
            assert any(path.is_file() for path in paths), (place, row)


def between_marks(document, name):
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    return document.read_text(encoding="utf-8").partition(marks[0])[2].partition(marks[1])[0].strip()


@pytest.mark.parametrize("document", [ROOT / "README.md", RESULTS_PAGE], ids=lambda path: path.name)
def test_short_tables_of_results_hold_the_scores_of_table_6(document, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    publish = import_module("publish_results")
    ((systems, links),) = [rest for path, *rest in publish.DOCUMENTS["results"] if path == document]
    table = publish.results_table(systems, TABLES / "tables", links)
    assert between_marks(document, "results") == table


def test_leaks_are_those_of_the_committed_predictions(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = import_module("publish_results")
    for marks, (document, systems) in script.LEAKS.items():
        assert between_marks(document, marks) == script.leaks_of(systems).strip()


def test_the_results_of_the_recipe_are_those_of_the_tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    table = import_module("results_tables").recipe_table(TABLES / "tables")
    assert between_marks(ROOT / "recipes" / "EmoDB" / "README.md", "results") == table


def test_the_results_on_crema_d_are_those_of_the_committed_runs(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = import_module("publish_results")
    runs = sorted((script.EVIDENCE / "CREMA-D").glob("*.session"))
    assert len(runs) >= 3
    assert between_marks(script.CSV_PAGE, "results on CREMA-D") == script.table_of_runs(runs)


ABLATIONS = sorted((EVIDENCE / "ablations").glob("*/inner.json"))


@pytest.mark.parametrize("file", ABLATIONS, ids=lambda file: file.parent.name)
def test_published_ablations_are_what_the_committed_predictions_give(file):
    from ser_plugins.evaluation.compare.ablation import ablation_table

    assert between_marks(RESULTS_PAGE, file.parent.name) == ablation_table(file).strip()
