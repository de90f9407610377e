"""Shared fixtures: every test is seeded, and has small synthetic corpora at hand.

What takes long to import is imported by functions: the process that only deals tests out to others does without.
"""

import gc
import random
import re
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import soundfile

gc.disable()  # until all tests are collected: millions of objects that stay are not looked through again and again

ROOT = Path(__file__).resolve().parents[1]
collect_ignore = ["support"]  # among it a script, which a test starts
RECIPES = sorted(path.parent.name for path in ROOT.glob("recipes/*/train.py"))
sys.path[:0] = [str(ROOT / "recipes" / name) for name in RECIPES]  # as `python recipes/EmoDB/train.py` has it
# Files of the tests need not survive a power cut: libsndfile has each written to the disk before it goes on.
soundfile.SoundFile.flush = lambda self: None
# A shell's background jobs ignore Ctrl-C, and what they start inherits that: also the commands that are tested.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The same examples every time, however busy the machine is.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile("steady")


def pytest_sessionstart(session):
    """Where tests run: imports that all of them share."""
    if getattr(session.config.option, "numprocesses", None) and not hasattr(session.config, "workerinput"):
        return
    import torch
    from speechbrain.utils.importutils import LazyModule

    torch.set_num_threads(1)
    # Hypothesis asks every module for its file; SpeechBrain's lazy ones would be imported by that, or fail to be.
    LazyModule.__file__ = None


def pytest_collection_finish():
    """What has been imported stays; garbage is looked for among the rest, and not so often."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


# Files that hold a process for long begin first: what begins last leaves the other process without work.
LONGEST = (
    "test_cluster", "test_recipes", "test_training", "test_onnx", "test_docs", "test_recipes_others",
    "test_transcripts", "test_sentiment_prepare", "test_sentiment", "test_interrupt", "test_feature_store",
    "test_cli_streams", "test_evidence", "test_plain", "test_emodb_prepare", "test_epoch_on_test",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """Put the tests of these files first, each file's in its own order."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True)
def _seeded():
    import torch

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (third-party code draws from the global state)
    torch.manual_seed(0)


@pytest.fixture(scope="module", autouse=True)
def _unrendered(request):
    """Reports build their figures but write empty files: PNG and PDF take a second and a half.

    A module marked ``renders`` has them in full, and so has a test that asks for ``rendered``.
    """
    from ser_plugins.evaluation.report import figures

    save = figures.save
    with pytest.MonkeyPatch.context() as patch:
        if not request.node.get_closest_marker("renders"):
            patch.setattr(figures, "save", _write_nothing)
        yield save


def _write_nothing(figure, path) -> None:
    from ser_plugins.files import write_text

    for suffix in (".png", ".pdf"):
        write_text(f"{path}{suffix}", "")


@pytest.fixture
def rendered(monkeypatch, _unrendered):
    """Figures in full."""
    from ser_plugins.evaluation.report import figures

    monkeypatch.setattr(figures, "save", _unrendered)


@pytest.fixture(scope="session")
def toy_emodb(tmp_path_factory) -> Path:
    """Three speakers, all emotions: enough for every law, small enough for every test."""
    from ser_plugins.corpora.toy.emodb import write_toy_emodb

    return write_toy_emodb(tmp_path_factory.mktemp("corpus") / "emodb", speakers=3, sentences=2, syllables=2)


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory) -> Path:
    """A folder with a tiny random Whisper encoder of three layers."""
    from fake_run import write_whisper

    return write_whisper(tmp_path_factory.mktemp("hub") / "whisper")


@pytest.fixture(scope="session")
def toy_iemocap(tmp_path_factory) -> Path:
    """Three sessions of one improvised and one scripted dialogue."""
    from ser_plugins.corpora.toy.iemocap import write_toy_iemocap

    return write_toy_iemocap(tmp_path_factory.mktemp("corpus") / "iemocap", sessions=3, syllables=2)


@pytest.fixture(scope="session")
def toy_csv(toy_emodb, tmp_path_factory) -> Path:
    """Three classes of the first corpus in a CSV elsewhere; one recording is stereo at 44.1 kHz."""
    folder = tmp_path_factory.mktemp("Größe & Co") / "my corpus"
    lines = ["Label,speaker,note,wav"]
    for path in sorted((toy_emodb / "wav").glob("*[WTN]a.wav")):
        speaker, label = path.stem[:2], path.stem[5]
        if path.stem == "03a01Wa":
            path = write_stereo(folder / "Töne" / "03 a01.flac", path).relative_to(folder)
        lines.append(f"{label},{speaker},{'loud' if label == 'W' else ''},{path}")
    (folder / "my.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "my.csv"


def write_stereo(target, source) -> Path:
    """Write a copy with two channels at 44.1 kHz."""
    wave, rate = soundfile.read(source)
    wave = np.interp(np.arange(int(len(wave) * 44100 / rate)) * rate / 44100, np.arange(len(wave)), wave)
    target.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(target, np.stack([wave, wave], axis=1), 44100)
    return target


def assert_close(one, other, where="", *, tolerance=1e-6) -> None:
    """Assert that two JSON values are the same but for the last digits of numbers: processors differ in those."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_close(one[key], other[key], f"{where}.{key}", tolerance=tolerance)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        assert len(one) == len(other), where
        for place, pair in enumerate(zip(one, other, strict=True)):
            assert_close(*pair, f"{where}[{place}]", tolerance=tolerance)
    elif isinstance(one, float) or isinstance(other, float):
        assert one == pytest.approx(other, rel=tolerance, abs=tolerance), where
    else:
        assert one == other, where


def link(path, target) -> None:
    """Make a symbolic link, or skip the test: on Windows it is a right that not everyone has."""
    try:
        path.symlink_to(target)
    except OSError as error:
        pytest.skip(f"no symbolic links here: {error}")


# A model and a schedule that train in a second.
TINY = [
    *("--hidden_size", "8", "--heads", "2", "--layers", "1"),
    *("--number_of_epochs", "2", "--batch_size", "8", "--lr", "0.003", "--noprogressbar"),
]


def data_option(name) -> str:
    """The option by which a recipe is told its data."""
    return "--csv" if name == "CSV" else "--data_folder"


def train(
    data,
    results_folder,
    *options,
    prepare=None,
    brain_class=None,
    here=False,
    yaml_file="hparams/bigru_mha.yaml",
    name="EmoDB",
) -> None:
    """Run a recipe in this process, as its ``train.py`` does; ``here`` runs several folds without workers."""
    from ser_plugins.training import recipe

    key = name.lower()
    prepare = prepare or getattr(import_module(f"{key}_prepare"), f"prepare_{key}")
    arguments = [yaml_file, data_option(name), str(data), "--results_folder", str(results_folder)]
    with pytest.MonkeyPatch.context() as patch:
        if here:
            patch.setattr(recipe, "_workers", lambda *_: 0)
        recipe.run_recipe(
            [*arguments, *([] if re.search("_svm|best|_linear", str(yaml_file)) else TINY), *options],
            prepare=prepare,
            script=str(ROOT / "recipes" / name / "train.py"),
            brain_class=brain_class or recipe.EmotionBrain,
        )
