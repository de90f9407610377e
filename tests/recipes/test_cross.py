"""Several corpora as one: nothing of the tested one trains, labels speak one language, what is left out is counted."""

import sys

import pytest
from conftest import ROOT
from fake_run import FOLDS, write_fold
from sklearn.metrics import balanced_accuracy_score

from ser_plugins.corpora.audit import audit_files
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.corpora.toy.emodb import write_toy_emodb
from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.corpus_matrix import cells, corpus_matrix
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.training.recipe import run_recipe

sys.path.append(str(ROOT / "recipes" / "Cross"))
from cross_prepare import places, prepare_cross, read_labels

LABELS = {"W": "angry", "T": "sad", "N": "calm", "F": "pride"}


@pytest.fixture(scope="module")
def other_csv(tmp_path_factory):
    """A corpus of other voices, with its own words for emotions and one emotion that no other corpus has."""
    folder = tmp_path_factory.mktemp("other")
    write_toy_emodb(folder, speakers=3, sentences=2, syllables=2, seed=1)
    lines = ["wav,label,speaker,sentence"]
    for path in sorted((folder / "wav").glob("*[WTNF]a.wav")):
        lines.append(f"wav/{path.name},{LABELS[path.stem[5]]},{path.stem[:2]},{path.stem[2:5]}")
    (folder / "other.csv").write_text("\n".join(lines) + "\n")
    return folder / "other.csv"


@pytest.fixture(scope="module")
def corpora(toy_emodb, other_csv):
    return f"emodb={toy_emodb},other={other_csv}"


def entries(folder, fold, part):
    return read_manifest(folder / fold / f"{part}.json")


def test_the_tested_corpus_trains_nothing(corpora, tmp_path):
    summary = prepare_cross(corpora, tmp_path)
    assert summary["folds"] == ["emodb", "other"]
    for fold, training in (("emodb", "other"), ("other", "emodb")):
        assert {fields["corpus"] for fields in entries(tmp_path, fold, "train").values()} == {training}
        assert {fields["corpus"] for fields in entries(tmp_path, fold, "test").values()} == {fold}
        assert audit_files(*(tmp_path / fold / f"{part}.json" for part in ("train", "valid", "test"))).disjoint


def test_labels_are_brought_to_one_language_and_what_only_one_corpus_has_is_counted(corpora, tmp_path):
    summary = prepare_cross(corpora, tmp_path)
    assert summary["classes"] == ["anger", "neutral", "sadness"]
    (statement,) = [text for text in summary["statements"] if text.startswith("recordings of each corpus")]
    assert "other 18 without pride (6)" in statement
    assert "boredom (6)" in statement
    for fold in summary["folds"]:
        assert {fields["emotion"] for fields in entries(tmp_path, fold, "test").values()} == set(summary["classes"])


def test_speakers_of_two_corpora_are_never_one(corpora, tmp_path):
    prepare_cross(corpora, tmp_path)
    manifest = read_manifest(tmp_path / "corpus.json")
    assert len({fields["speaker"] for fields in manifest.values()}) == 6
    assert all(fields["speaker"].startswith(fields["corpus"]) for fields in manifest.values())


def test_groups_of_speakers_hold_every_corpus_and_all_its_emotions(corpora, tmp_path):
    summary = prepare_cross(corpora, tmp_path, protocol="groups")
    assert set(summary["classes"]) > {"boredom", "pride", "anger"}
    tested = []
    for fold in summary["folds"]:
        train, test = entries(tmp_path, fold, "train"), entries(tmp_path, fold, "test")
        assert {fields["corpus"] for fields in test.values()} == {"emodb", "other"}
        assert not {fields["speaker"] for fields in train.values()} & {fields["speaker"] for fields in test.values()}
        tested += test
    assert sorted(tested) == sorted(read_manifest(tmp_path / "corpus.json"))
    of_other = [fields["classes"] for fields in test.values() if fields["corpus"] == "other"]
    assert of_other[0] == ["anger", "neutral", "pride", "sadness"]


def test_a_label_map_renames_and_leaves_out(corpora, tmp_path):
    labels = tmp_path / "mine.yaml"
    labels.write_text("angry: anger\nsad: null\ncalm: neutral\nother:\n  pride: happiness\n")
    summary = prepare_cross(corpora, tmp_path / "manifests", labels=labels)
    assert summary["classes"] == ["anger", "happiness", "neutral"]
    assert "other 18 without sad (6)" in "".join(summary["statements"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no --corpora"),
        ("emodb", "name=path"),
        ("Emo=a", "lower-case"),
        ("emo_db=a", "lower-case"),
        ("one=a,one=b", "each once"),
    ],
)
def test_corpora_that_cannot_be_read_are_named(text, message):
    with pytest.raises(SerError, match=message):
        places(text)


def test_a_folder_without_a_recipe_and_corpora_that_share_nothing_are_refused(corpora, other_csv, tmp_path):
    with pytest.raises(SerError, match="one of"):
        prepare_cross(f"nowhere={other_csv.parent}", tmp_path / "a")
    labels = tmp_path / "none.yaml"
    labels.write_text("{}\n")
    with pytest.raises(SerError, match="fewer than two emotions"):
        prepare_cross(corpora, tmp_path / "b", labels=labels)
    assert not (tmp_path / "b" / "protocol.json").exists()


@pytest.mark.parametrize("text", ["- a\n", "angry: [a]\n", "other: {angry: 3}\n"])
def test_a_file_that_is_no_label_map_is_refused(tmp_path, text):
    path = tmp_path / "labels.yaml"
    path.write_text(text)
    with pytest.raises(SerError, match="not a label map"):
        read_labels(path)


@pytest.fixture(scope="module")
def trained(corpora, tiny_whisper, tmp_path_factory):
    """Folders of two runs, one per protocol."""
    results = tmp_path_factory.mktemp("results")
    options = ["--corpora", corpora, "--source", str(tiny_whisper), "--states", "1-2", "--results_folder", str(results)]
    for protocol in ("loco", "groups"):
        arguments = ["hparams/whisper_linear.yaml", *options, "--protocol", protocol, "--jobs", "1"]
        run_recipe(arguments, prepare=prepare_cross, script=ROOT / "recipes" / "Cross" / "train.py")
    return results / "whisper_linear"


def test_recordings_are_judged_among_the_emotions_of_their_corpus(trained):
    table = read_run(trained / "groups")[0].predictions["emotion"].set_index("id")
    other = table[table.index.str.startswith("other_")]
    assert len(other)
    assert not other[["p_boredom", "p_disgust", "p_fear", "p_happiness"]].to_numpy().any()
    assert set(other["predicted"]) <= {"anger", "neutral", "pride", "sadness"}
    assert not table.drop(other.index)["p_pride"].any()
    assert table[[column for column in table if column.startswith("p_")]].sum(axis=1).to_numpy() == pytest.approx(1)


def test_the_matrix_has_a_cell_per_training_and_tested_corpus(trained):
    by_corpus = {cell.tested_on: cell for cell in cells(trained / "loco")}
    assert {corpus: cell.trained_on for corpus, cell in by_corpus.items()} == {"emodb": "other", "other": "emodb"}
    for fold in read_run(trained / "loco"):
        table, cell = fold.predictions["emotion"], by_corpus[fold.record.fold]
        assert cell.score == pytest.approx(balanced_accuracy_score(table["true"], table["predicted"]))
        assert (cell.utterances, cell.classes) == (len(table), table["true"].nunique())
    assert {cell.trained_on for cell in cells(trained / "groups")} == {"emodb + other, other speakers"}
    lines = corpus_matrix([trained / "loco", trained / "groups"]).splitlines()
    assert lines[0] == "| system | trained on | **emodb** | **other** |"
    assert [line.split(" | ")[1] for line in lines[2:5]] == ["other", "emodb", "emodb + other, other speakers"]
    assert lines[2].split(" | ")[3].strip(" |") == lines[3].split(" | ")[2] == "–"  # nobody is tested on what trained


def test_a_run_of_another_recipe_has_no_matrix(tmp_path):
    for fold in FOLDS:
        write_fold(tmp_path, fold)
    with pytest.raises(SerError, match="recipes/Cross"):
        cells(tmp_path)
