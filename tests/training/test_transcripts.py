"""Systems that read: trained as those that hear, from any recipe, on pieces of the training fold alone."""

import json

import pytest
import torch
from commands import run_here
from conftest import ROOT
from cremad_prepare import SENTENCES

from ser_plugins.corpora.toy.emodb import EMODB_SENTENCES
from ser_plugins.corpora.toy.sentiment import write_toy_mosi
from ser_plugins.errors import SerError
from ser_plugins.subwords import SubwordEncoder
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.preflight import check_keys
from ser_plugins.training.settings import resolve
from ser_plugins.training.transcripts import transcripts_of

YAMLS = sorted([*ROOT.glob("recipes/*/hparams/*_text.yaml"), *ROOT.glob("recipes/*/hparams/*_fusion.yaml")])
TEXT = ["--text_hidden_size", "8", "--text_heads", "2", "--number_of_epochs", "2"]
SOUND = ["--hidden_size", "8", "--heads", "2", "--layers", "1"]


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_system_that_reads_is_one_that_hears_but_for_the_transcripts(path):
    sound = resolve(path.with_stem(path.stem.removesuffix("_text").removesuffix("_fusion")), {})
    values = resolve(path, {})
    own = {"system", "modules", "embedding_model", "classifier", "checkpointer"}
    own |= {"run_folder", "output_folder", "save_folder", "train_logger"}  # which follow from the name
    if path.stem == "bigru_mha_text":
        own |= {"hop_length", "n_fft", "max_frequency", "compute_features", "mean_var_norm", "normalisation"}
        own |= {"front_end", "recurrence", "bidirectional", "hidden_size", "layers", "heads"}
        own |= {"number_of_epochs", "epoch_counter", "lr", "opt_class"}
    assert {key for key in sound if values.get(key) != sound[key]} <= own
    assert values["system"] == path.stem


@pytest.mark.parametrize(("recipe", "codes"), [("EmoDB", EMODB_SENTENCES), ("CREMAD", SENTENCES)])
def test_every_sentence_of_a_corpus_has_its_words(recipe, codes):
    paths = [path for path in YAMLS if path.parts[-3] == recipe]
    sentences = [resolve(path, {})["sentences"] for path in paths]
    assert len(paths) == 2
    assert all(set(one) == set(codes) and one == sentences[0] for one in sentences)
    assert len(set(sentences[0].values())) == len(codes)


@pytest.mark.parametrize(("system", "options"), [("bigru_mha_text", []), ("bigru_mha_fusion", SOUND)])
def test_pieces_are_learnt_from_the_training_fold_and_kept_with_the_model(system, options, tmp_path):
    corpus = write_toy_mosi(tmp_path / "mosi", videos=4, segments=3, layout="mmsa", syllables=2)
    arguments = [f"hparams/{system}.yaml", "--data_folder", str(corpus), "--results_folder", str(tmp_path / "results")]
    run_here("train.py", *arguments, *TEXT, *options, "--noprogressbar", cwd=ROOT / "recipes" / "MOSI")
    fold = tmp_path / "results" / system / "standard" / "seed_1234" / "standard"
    assert json.loads((fold / "results.json").read_text())["metrics"]["MAE"] > 0

    manifest = next((tmp_path / "results" / "manifests").glob("*/standard/train.json"))
    said = [fields["transcript"] for fields in json.loads(manifest.read_text()).values()]
    assert all(said)
    expected = SubwordEncoder(resolve(ROOT / "recipes/MOSI/hparams" / f"{system}.yaml", {})["vocabulary"]).fit(said)
    kept = torch.load(next(fold.glob("save/CKPT*/subwords.ckpt")), weights_only=True)
    assert bytes(kept["model"].tolist()) == expected.content


@pytest.mark.parametrize(
    ("entries", "sentences", "message"),
    [
        ({"u1": {"words": "yes"}}, None, "train.json: no entry has a field 'said'"),
        ({"u1": {"said": "yes"}, "u2": {"said": 5}}, None, "train.json: u2: said 5"),
        ({"u1": {"said": "a01"}, "u2": {"said": "a02"}}, {"a01": "yes"}, "train.json: said a02"),
    ],
)
def test_what_is_no_transcript_is_told(entries, sentences, message):
    with pytest.raises(SerError, match=message):
        transcripts_of(entries, "said", sentences, "train.json")


def test_what_nobody_has_written_is_empty():
    assert transcripts_of({"u1": {"said": None}, "u2": {"said": "yes"}}, "said", None, "x") == {"u1": "", "u2": "yes"}


def test_a_system_that_reads_needs_to_know_where(tmp_path):
    path = ROOT / "recipes/MOSI/hparams/bigru_mha_text.yaml"
    nowhere = tmp_path / "nowhere.yaml"
    nowhere.write_text(path.read_text(encoding="utf-8").replace("transcript: transcript", "transcript: null"))
    check_keys(Experiment.of(path, {}))
    with pytest.raises(SerError, match=r"nowhere\.yaml: no transcript"):
        check_keys(Experiment.of(nowhere, {}))
