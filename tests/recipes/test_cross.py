"""Several corpora as one: nothing of the tested one trains, labels speak one language, what is left out is counted."""

import json
import shutil
import sys

import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT
from fake_run import FOLDS, write_fold, write_run
from safetensors.torch import load_file
from sklearn.metrics import balanced_accuracy_score

from ser_plugins.corpora.audit import audit_files
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.corpora.toy.emodb import write_toy_emodb
from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.corpus_matrix import cells, corpus_matrix, predictions_by_corpus
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.export.card import card_text
from ser_plugins.export.folder import export_model
from ser_plugins.export.front_matter import front_matter
from ser_plugins.functionals import FrameMeans
from ser_plugins.inference.card_scores import TrainingCorpus
from ser_plugins.inference.loading import load_model
from ser_plugins.invariance import nuisance_directions
from ser_plugins.pretrained import WhisperFrontEnd
from ser_plugins.sound.read import read_wave
from ser_plugins.training import recipe

sys.path.append(str(ROOT / "recipes" / "Cross"))
from cross_prepare import find_recipe, places, prepare_cross, read_labels

LABELS = {"W": "angry", "T": "sad", "N": "calm", "F": "pride"}


@pytest.fixture(scope="module")
def other_csv(tmp_path_factory):
    """A corpus of other voices, with its own words for emotions, one that nobody else has, and a column of sexes."""
    folder = tmp_path_factory.mktemp("other")
    write_toy_emodb(folder, speakers=3, sentences=2, syllables=2, seed=1)
    lines = ["wav,label,speaker,sentence,sex"]
    for path in sorted((folder / "wav").glob("*[WTNF]a.wav")):
        sex = "Male" if path.stem[:2] == "03" else "Female"
        lines.append(f"wav/{path.name},{LABELS[path.stem[5]]},{path.stem[:2]},{path.stem[2:5]},{sex}")
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
    """Folders of three runs, one per protocol."""
    results = tmp_path_factory.mktemp("results")
    options = ["--corpora", corpora, "--source", str(tiny_whisper), "--states", "1-2", "--results_folder", str(results)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "_workers", lambda *_: 0)
        for protocol in ("loco", "groups", "all"):
            arguments = ["hparams/whisper_linear.yaml", *options, "--protocol", protocol]
            recipe.run_recipe(arguments, prepare=prepare_cross, script=ROOT / "recipes" / "Cross" / "train.py")
    return results / "whisper_linear"


def test_recordings_are_judged_among_the_emotions_of_their_corpus(trained):
    table = read_run(trained / "groups")[0].predictions["emotion"].set_index("id")
    other = table[table.index.str.startswith("other_")]
    assert len(other)
    assert not other[["p_boredom", "p_disgust", "p_fear", "p_happiness"]].to_numpy().any()
    assert set(other["predicted"]) <= {"anger", "neutral", "pride", "sadness"}
    assert not table.drop(other.index)["p_pride"].any()
    assert table[[column for column in table if column.startswith("p_")]].sum(axis=1).to_numpy() == pytest.approx(1)


def test_the_system_for_strangers_does_not_use_what_tells_voices_apart(corpora, tiny_whisper, tmp_path):
    options = ["--source", str(tiny_whisper), "--states", "1-2", "--results_folder", str(tmp_path), "--jobs", "1"]
    arguments = ["hparams/whisper_strangers.yaml", "--corpora", corpora, *options, "--fold", "other", "--copies", "[]"]
    recipe.run_recipe(arguments, prepare=prepare_cross, script=ROOT / "recipes" / "Cross" / "train.py")
    export_model(tmp_path / "whisper_strangers" / "loco" / "seed_1234" / "other", tmp_path / "model")
    weights = load_file(tmp_path / "model" / "classifier.safetensors")["output.weight"].double()

    training = read_manifest(next(tmp_path.glob("manifests/*/other/train.json"))).values()
    compute = FrameMeans(WhisperFrontEnd(str(tiny_whisper), states="1-2", level=True))
    vectors = torch.stack([compute(torch.from_numpy(read_wave(entry["wav"])[0])[None])[0] for entry in training])
    scaled = (vectors - vectors.mean(0)).double() / vectors.double().std(0, unbiased=False)
    named = {field: [entry[field] for entry in training] for field in ("emotion", "speaker")}
    directions = torch.from_numpy(nuisance_directions(scaled.numpy(), named["emotion"], named["speaker"], 3))
    assert len(directions) == 3
    torch.testing.assert_close(
        weights @ directions.T / weights.norm(), torch.zeros(len(weights), 3).double(), rtol=0, atol=1e-3
    )


def test_the_matrix_has_a_cell_per_training_and_tested_corpus(trained):
    by_corpus = {cell.tested_on: cell for cell in cells(read_run(trained / "loco"), "loco")}
    assert {corpus: cell.trained_on for corpus, cell in by_corpus.items()} == {"emodb": "other", "other": "emodb"}
    for fold in read_run(trained / "loco"):
        table, cell = fold.predictions["emotion"], by_corpus[fold.record.fold]
        assert cell.score == pytest.approx(balanced_accuracy_score(table["true"], table["predicted"]))
        assert (cell.utterances, cell.classes) == (len(table), table["true"].nunique())
    assert {cell.trained_on for cell in cells(read_run(trained / "groups"), "groups")} == {
        "emodb + other, other speakers"
    }
    lines = corpus_matrix([trained / "loco", trained / "groups"]).splitlines()
    assert lines[0] == "| system | trained on | **emodb** | **other** |"
    assert [line.split(" | ")[1] for line in lines[2:5]] == ["other", "emodb", "emodb + other, other speakers"]
    assert lines[2].split(" | ")[3].strip(" |") == lines[3].split(" | ")[2] == "–"  # nobody is tested on what trained


def test_the_results_in_the_readmes_are_what_the_committed_runs_give():
    evidence = ROOT / "evidence" / "Cross"
    runs = [evidence / name for name in ("whisper_linear.loco", "whisper_strangers.loco", "whisper_strangers.groups")]
    runs += [evidence / corpus / "whisper_strangers.groups" for corpus in ("emodb", "cremad", "indowave")]
    page = (ROOT / "recipes" / "Cross" / "README.md").read_text(encoding="utf-8")
    rows = [line for line in corpus_matrix(runs).splitlines() if line.startswith("|")]
    assert "\n".join(rows) in page
    strangers = read_run(runs[1])
    scores = {cell.tested_on: f"{100 * cell.score:.1f}" for cell in cells(strangers, "loco")}
    for name in ("README.md", "docs/model.md"):
        text = " ".join((ROOT / name).read_text(encoding="utf-8").split())
        assert all(score in text for score in scores.values())
    tables = pd.concat(fold.predictions["emotion"] for fold in strangers)
    sadness = tables[tables["true"] == "sadness"]
    assert f"{100 * (sadness['predicted'] == 'sadness').mean():.0f} % is heard in their speech" in page


def test_a_run_of_another_recipe_has_no_matrix(tmp_path):
    for fold in FOLDS:
        write_fold(tmp_path, fold)
    with pytest.raises(SerError, match="recipes/Cross"):
        corpus_matrix([tmp_path])


CORPORA = """emodb: {name: EmoDB, licence: CC0-1.0, language: de}
other: {name: Other, licence: ODbL-1.0, source: https://example.org, citation: Somebody. A paper, language: id}
unused: {name: Unused}
"""


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """A model of both corpora: its folder and its card."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "corpora.yaml").write_text(CORPORA)
    card = export_model(
        trained / "all",
        folder / "model",
        measured_by=trained / "groups",
        strangers=trained / "loco",
        corpora=folder / "corpora.yaml",
        speakers=trained.parent / "manifests" / "groups_last" / "speakers.csv",
    )
    return folder / "model", card


def test_the_card_of_a_model_of_several_corpora_has_the_score_on_each_and_on_strangers(trained, exported):
    folder, card = exported
    assert load_model(folder).card == card
    for protocol, scores in (("groups", card.by_corpus), ("loco", card.strangers.corpora)):
        by_corpus = {cell.tested_on: cell for cell in cells(read_run(trained / protocol), protocol)}
        assert [score.corpus for score in scores] == ["EmoDB", "Other"]
        for score, name in zip(scores, ("emodb", "other"), strict=True):
            cell = by_corpus[name]
            assert (score.uar, score.recordings, score.classes) == (cell.score, cell.utterances, cell.classes)
            assert score.speakers == 3
            assert list(score.interval) == cell.interval
    assert "protocol loco" in card.strangers.protocol_line
    assert "protocol groups" in card.protocol_line
    assert card.corpus == "EmoDB + Other"
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == card_text(card)
    assert "- Other: licence ODbL-1.0; Somebody. A paper; https://example.org." in text
    for score in card.strangers.corpora:
        assert score.text.split(" ")[0] in card.strangers_line
        assert f"| {score.corpus} | {100 * score.uar:.1f} |" in text.split("## Measured on strangers")[1]


def test_the_header_names_every_corpus_its_licence_and_its_own_score(exported):
    _, card = exported
    header = yaml.safe_load(front_matter(card).strip("-\n"))
    assert header["datasets"] == ["EmoDB", "Other"]
    assert header["language"] == ["de", "id"]
    assert "ODbL-1.0" in header.get("license_name", "") or "license" not in header
    results = header["model-index"][0]["results"]
    assert {result["dataset"]["name"]: result["metrics"][0]["value"] for result in results} == {
        score.corpus: round(score.uar, 4) for score in card.by_corpus
    }


def test_groups_of_speakers_are_those_of_each_corpus(trained, exported):
    _, card = exported
    other = card.by_corpus[1]
    assert [(group.value, group.speakers, group.recordings) for group in other.groups] == [
        ("female", 2, 16), ("male", 1, 8)
    ]  # fmt: skip
    rows = predictions_by_corpus(read_run(trained / "groups"), "groups")["other"]
    men = rows[rows["unit"].str.endswith("03")]
    assert other.groups[1].uar == pytest.approx(balanced_accuracy_score(men["true"], men["predicted"]))
    assert other.groups[1].interval is None
    assert set(other.groups[1].recalls) == set(men["true"])
    assert all("nothing can be concluded" in group.verdict for score in card.by_corpus for group in score.groups)


def test_a_run_that_leaves_corpora_out_is_itself_measured_on_strangers(trained, exported, tmp_path):
    card = export_model(trained / "loco", tmp_path / "model")
    assert card.by_corpus == ()
    assert [score.corpus for score in card.strangers.corpora] == ["emodb", "other"]
    assert [score.uar for score in card.strangers.corpora] == [score.uar for score in exported[1].strangers.corpora]


def test_what_does_not_belong_to_a_model_of_several_corpora_is_refused(trained, tmp_path):
    def refused(message, **options):
        with pytest.raises(SerError, match=message):
            export_model(trained / "all", tmp_path / "model", measured_by=trained / "groups", **options)
        assert not (tmp_path / "model").exists()

    refused("expected: a run that leaves one corpus out", strangers=trained / "groups")
    other = shutil.copytree(trained / "loco", tmp_path / "loco")
    for path in other.glob("seed_*/*/results.json"):
        results = json.loads(path.read_text())
        path.write_text(json.dumps({**results, "settings": {**results["settings"], "C": 7.5}}))
    refused("C: 0.005 instead of 7.5", strangers=other)
    path = tmp_path / "corpora.yaml"
    refused("no file .*corpora.yaml", corpora=path)
    path.write_text("emodb: {name: EmoDB}\n")
    refused("nothing of other", corpora=path)
    path.write_text("emodb: {licence: CC0-1.0}\nother: {name: [1]}\n")
    refused("no emodb.name", corpora=path)
    path.write_text("emodb: [\n")
    refused("expected: YAML", corpora=path)
    speakers = tmp_path / "speakers.csv"
    speakers.write_text("speaker,sex\nemodb_spk03,male\n")
    refused("speaker emodb_spk08, who is not in", speakers=speakers)
    speakers.write_text("speaker\nemodb_spk03\n")
    refused("expected: the column speaker and another one", speakers=speakers)


def test_a_model_of_one_corpus_has_no_strangers_of_its_own(tmp_path):
    run = write_run(tmp_path / "run")
    with pytest.raises(SerError, match=r"--strangers for .*expected: a whole run of several corpora"):
        export_model(run, tmp_path / "model", strangers=run)


def test_what_is_said_of_a_corpus_that_has_a_recipe_is_what_the_recipe_says():
    described = yaml.safe_load((ROOT / "recipes" / "Cross" / "corpora.yaml").read_text(encoding="utf-8"))
    with_recipe = {path.parent.name.lower() for path in (ROOT / "recipes").glob("*/*_prepare.py")} & set(described)
    assert {"emodb", "cremad"} <= with_recipe
    for name in with_recipe:
        corpus = find_recipe(name)
        said = TrainingCorpus(**described[name])
        assert (said.name, said.licence, said.citation, said.language) == (
            corpus.name, corpus.licence, corpus.citation, corpus.language
        )  # fmt: skip


def test_settings_name_the_corpora_and_not_where_they_lie(trained):
    for fold in read_run(trained / "loco"):
        assert fold.record.settings["corpora"] == "emodb,other"
