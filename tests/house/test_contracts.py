"""The house rules that a machine can check: who imports whom, what is public, what a YAML may differ in."""

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml
from conftest import RECIPES, ROOT
from fake_run import tone, write_run, write_wav

from ser_plugins.export.folder import export_model

PACKAGE = ROOT / "ser_plugins"
# A room imports itself and those before it. What stands in no folder is a plugin, or what all of them need.
ROOMS = (
    "plugins",
    "sound",
    "corpora",
    "evaluation/metrics",
    "evaluation/runs",
    "evaluation/report",
    "evaluation/compare",
    "evaluation/paper",
    "inference",
    "stress",
    "training/launch",
    "training",
    "export",
    "service",
    "cli",
)
WITHOUT_TORCH = ("sound", "corpora", "evaluation")
PLUGINS = (
    "spectrogram",
    "encoders",
    "attention",
    "lsh_attention",
    "pooling",
    "classifier",
    "losses",
    "augment",
    "pretrained",
    "whisper",
    "whisper_weights",
    "quantization",
    "lengths",
    "adversary",
    "subwords",
    "text",
)


def imports(path):
    """Absolute module names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def uses(path, *packages):
    return [name for name in imports(path) if any(f"{name}.".startswith(f"{package}.") for package in packages)]


def room_of(path):
    """The room of a file of the package."""
    parts = path.relative_to(PACKAGE).parts
    if len(parts) == 1:
        return "plugins"
    return next((room for room in ("/".join(parts[:2]), parts[0]) if room in ROOMS), None)


def file_of(name):
    """The file of the package that an imported name is, or is in; None where the name is not ours."""
    parts = name.split(".")[1:] if name.startswith("ser_plugins.") else []
    while parts:
        for path in (PACKAGE.joinpath(*parts).with_suffix(".py"), PACKAGE.joinpath(*parts) / "__init__.py"):
            if path.is_file():
                return path
        parts.pop()
    return None


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE / "evaluation")


def named(path):
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_arrow_runs_up(path):
    """Of two rooms one knows the other, and never both."""
    known = ROOMS[: ROOMS.index(room_of(path)) + 1]
    assert not [name for name in imports(path) if (file := file_of(name)) and room_of(file) not in known]


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path).split("/")[0] in WITHOUT_TORCH], ids=named)
def test_sound_corpora_and_evaluation_know_neither_torch_nor_speechbrain(path):
    assert not uses(path, "torch", "torchaudio", "speechbrain")


IN_USE = [path for path in FILES if room_of(path) in ("inference", "export", "service")]


@pytest.mark.parametrize("path", IN_USE, ids=named)
def test_a_model_in_use_never_imports_training(path):
    assert not uses(path, "ser_plugins.training")


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) == "export"], ids=named)
def test_export_does_not_import_the_face(path):
    assert not uses(path, "ser_plugins.inference.classifiers")
    assert "ser_plugins.inference.open_model" not in imports(path)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_nothing_imports_recipes(path):
    scripts = {script.stem for script in ROOT.glob("recipes/*/*.py")}
    assert not uses(path, "recipes", *scripts)
    assert path.name != "utils.py"


def test_no_test_imports_another_test():
    """What two of them need stands in tests/support."""
    tests = sorted((ROOT / "tests").rglob("*.py"))
    assert len(tests) > 90
    names = {path.stem for path in tests if path.stem.startswith("test_")}
    for path in tests:
        assert not names & {part for name in imports(path) for part in name.split(".")}, path


def test_the_package_itself_imports_nothing_heavy():
    code = "import sys, ser_plugins; print([m for m in ('torch', 'speechbrain', 'numpy') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_using_a_model_imports_no_speechbrain(tmp_path):
    """Seconds of import that a server or a command line would pay at every start; attentive pooling alone needs it."""
    export_model(write_run(tmp_path / "loso"), tmp_path / "model")
    wave = write_wav(tmp_path / "speech.wav", tone(0.6, 44100), 44100)
    code = (
        "import sys\n"
        "from ser_plugins.inference import EmotionClassifier\n"
        "model = EmotionClassifier.from_hparams(sys.argv[1])\n"
        "model.predict_file(sys.argv[2]), list(model.classify_windows(sys.argv[2]))\n"
        "heavy = ('speechbrain', 'scipy', 'sympy', 'pandas', 'sklearn', 'matplotlib', 'yaml', 'typer')\n"
        "print([name for name in sys.modules if name.split('.')[0] in heavy])"
    )
    command = [sys.executable, "-c", code, tmp_path / "model", wave]
    assert subprocess.check_output(command, text=True).strip() == "[]"


def test_importing_everything_opens_no_connection():
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('network at import')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "import ser_plugins.inference, ser_plugins.training.recipe, ser_plugins.cli\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        ({"torch": "2.15.0", "torchaudio": "2.11.0", "speechbrain": "1.1.2"}, "got: torch 2.15.0, torchaudio 2.11.0"),
        ({"torch": "2.11.0", "speechbrain": "1.1.2"}, "torchaudio not installed"),
    ],
)
def test_a_mismatched_trio_is_told_in_words(versions, message):
    from importlib.metadata import PackageNotFoundError

    from ser_plugins import _check_trio

    def installed(package):
        if package not in versions:
            raise PackageNotFoundError(package)
        return versions[package]

    with pytest.raises(ImportError) as caught:
        _check_trio(installed)
    assert message in str(caught.value)
    assert 'remedy: pip install "torch==2.11.*" "torchaudio==2.11.*" "speechbrain==1.1.*"' in str(caught.value)


def plugins():
    """Every public class of the plugin files: what `!new:ser_plugins.<room>.<Class>` can name."""
    for room in PLUGINS:
        module = import_module(f"ser_plugins.{room}")
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                yield pytest.param(value, id=f"{room}.{name}")


@pytest.mark.parametrize("plugin", list(plugins()))
def test_every_plugin_is_a_documented_torch_module(plugin):
    assert issubclass(plugin, torch.nn.Module)
    assert ">>>" in inspect.getdoc(plugin), "no runnable example"


# `bigru_mha_plus`, `_mel` and those on Whisper go their own way, what they differ in is what they are about; of the
# baselines see test_classical.py, of systems that read test_transcripts.py.
SYSTEMS = sorted(
    path
    for path in ROOT.glob("recipes/*/hparams/*.yaml")
    if not re.search("plus|mel|svm|best|whisper|bundled|text|fusion", path.stem)
)
# What each system differs in from bigru_mha.yaml, beside its name; of those that are rows see test_systems.py.
NUMBERS = {"n_classes", "classifier", "loss"}
DEFINES = {
    "bigru": {"heads"},
    "wavlm_bigru_mha": {
        *("source", "freeze", "lora_rank", "layer", "win_length", "hop_length", "n_fft", "max_frequency"),
        *("front_end", "compute_features", "checkpointer"),
    },
    "bigru_mha_regression": {"task", *NUMBERS},
    "bigru_mha_valence": {"target", "protocol", *NUMBERS},
    "bigru_mha_multitask": {"auxiliary", "classifier", "loss"},
    "bigru_mha_dimensions": {"auxiliary", "classifier", "loss"},
    "bigru_mha_adversary": {"auxiliary", "classifier", "loss"},
}
# The paper's Table 2; a corpus that it does not have gets EmoDB's.
TABLE_2 = {"lr": 0.0001, "batch_size": 32, "attention_dropout": 0.2, "dropout": 0.2, "number_of_epochs": 80, "heads": 8}
TABLE_2_IEMOCAP = {**TABLE_2, "lr": 0.00001, "dropout": 0.3, "number_of_epochs": 100, "heads": 16}


def of_recipe(path):
    return f"{path.parents[1].name}-{path.stem}"


def read_yaml(path):
    return {key.value: yaml.serialize(value) for key, value in yaml.compose(path.read_text()).value}


@pytest.mark.parametrize("path", [path for path in SYSTEMS if path.stem != "bigru_mha"], ids=of_recipe)
def test_systems_differ_in_the_keys_that_define_them_and_nowhere_else(path):
    main, other = read_yaml(path.with_stem("bigru_mha")), read_yaml(path)
    assert [key for key in main if key in other] == [key for key in other if key in main]
    differing = {key for key in main.keys() | other.keys() if main.get(key) != other.get(key)}
    assert differing == {"system", *DEFINES[path.stem]}


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_have_the_same_keys_but_for_their_data_and_protocol(recipe):
    emodb, other = (read_yaml(ROOT / "recipes" / name / "hparams" / "bigru_mha.yaml") for name in ("EmoDB", recipe))
    differing = {key for key in emodb.keys() | other.keys() if emodb.get(key) != other.get(key)}
    data = {"data_folder", "csv", "corpora", "labels"}
    data |= {"results_folder", "run_folder", "manifest_folder", "cache_folder"}
    protocol = {
        "protocol",
        "unit",
        "target",
        "soft_labels",
        "song",
        "task",
        "allow_partial",
        "subset",
        "select",
        "split_seed",
    }
    assert differing <= data | protocol | NUMBERS | set(TABLE_2)


@pytest.mark.parametrize("path", SYSTEMS, ids=of_recipe)
def test_yaml_names_are_two_dots_deep_and_the_values_those_of_table_2(path):
    text = path.read_text()
    for line in text.splitlines():
        if "ser_plugins." in line:
            assert line.split("ser_plugins.")[1].count(".") == 1, line
    values = yaml.safe_load("\n".join(line for line in text.splitlines() if "!" not in line and line[:1].isalpha()))
    table_2 = TABLE_2_IEMOCAP if path.parents[1].name == "IEMOCAP" else TABLE_2
    expected = {**table_2, "heads": 0} if path.stem == "bigru" else table_2
    assert {key: values[key] for key in expected} == expected
    assert values["system"] == path.stem


@pytest.mark.parametrize("recipe", ["IEMOCAP", "CHSIMS", "MOSI"])
@pytest.mark.parametrize("system", ["mfcc_svm", "egemaps_svm", "compare_svm"])
def test_the_baselines_of_a_recipe_are_those_of_emodb_and_have_the_head_of_its_main_system(system, recipe):
    folder = ROOT / "recipes" / recipe / "hparams"
    emodb, other = (
        read_yaml(ROOT / "recipes" / "EmoDB" / "hparams" / f"{system}.yaml"),
        read_yaml(folder / f"{system}.yaml"),
    )
    main = read_yaml(folder / "bigru_mha.yaml")
    for key, value in other.items():
        if key not in ("system", "normalisation", "estimator"):
            assert value == (emodb[key] if key in emodb.keys() - main.keys() else main[key]), key


def test_types_and_the_model_in_the_box_are_package_data():
    listed = re.search(r"^ser_plugins = (\[.*\])$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    data = {path for pattern in ast.literal_eval(listed[1]) for path in PACKAGE.glob(pattern)}
    assert PACKAGE / "py.typed" in data
    assert {path for path in (PACKAGE / "models").rglob("*") if path.is_file()} <= data


def test_files_stay_small():
    paths = [*PACKAGE.rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]
    assert len(paths) > 90
    for path in paths:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_no_file_of_ours_holds_a_path_of_a_home_or_an_index():
    paths = list(Path(ROOT).glob("**/*"))
    assert len(paths) > 300
    for path in paths:
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".txt"} and not {".venv", "results", "demo"} & {*path.parts}:
            text = path.read_text(encoding="utf-8")
            assert "pypi" + ".org" not in text, path
            assert "/root" + "/" not in text, path
