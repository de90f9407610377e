"""The header of a model card, which the Hugging Face hub reads: nothing in it is invented."""

import json
from dataclasses import replace

import pytest
import yaml
from fake_run import write_fold, write_run
from huggingface_hub import ModelCard as HubCard

from ser_plugins.corpora.about import AboutCorpus
from ser_plugins.corpora.corpus import Corpus
from ser_plugins.export.card import card_text
from ser_plugins.export.folder import export_ensemble, export_model
from ser_plugins.export.front_matter import front_matter
from ser_plugins.inference import open_model
from ser_plugins.inference.loading import BUNDLED, card_in, without_front_matter
from ser_plugins.inference.model_card import ModelCard


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("front_matter") / "loso")


@pytest.fixture(scope="module", params=[*BUNDLED, "fold", "run", "ensemble"])
def folder(request, run, tmp_path_factory):
    if request.param in BUNDLED:
        return BUNDLED[request.param]
    target = tmp_path_factory.mktemp("cards") / request.param
    export = export_ensemble if request.param == "ensemble" else export_model
    export(run / "seed_1234" / "spk03" if request.param == "fold" else run, target)
    return target


def record_of(folder):
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def card_of(folder):
    return (folder / "README.md").read_text(encoding="utf-8")


def header_of(folder):
    """As a plain YAML parser reads it."""
    before, header, words = card_of(folder).split("---\n", 2)
    assert before == ""
    assert words.startswith("\n# ")
    return yaml.safe_load(header)


def test_every_value_of_the_model_index_is_one_of_the_record(folder):
    record = record_of(folder)
    (entry,) = header_of(folder)["model-index"]
    assert entry["name"] == record["system"]
    if record.get("by_corpus"):  # a score per corpus, and none of all together
        scores = {score["corpus"]: round(score["uar"], 4) for score in record["by_corpus"]}
        assert {one["dataset"]["name"]: one["metrics"][0]["value"] for one in entry["results"]} == scores
        return
    (result,) = entry["results"]
    assert result["dataset"]["name"] == record["corpus"]
    by_label = {"WA": "WA", "UAR": "UAR", "macro-F1": "macro_F1"}
    values = {by_label[metric["name"]]: metric["value"] for metric in result["metrics"]}
    assert values == {key: round(value, 4) for key, value in record["metrics"].items()}


def test_the_hub_s_own_reader_takes_the_header(folder):
    data = HubCard(card_of(folder)).data
    assert (data.library_name, data.pipeline_tag) == ("ser_plugins", "audio-classification")
    several = len(data.datasets) > 1
    assert (data.language, data.datasets) == (
        (["de", "en", "id"], ["CREMA-D", "EmoDB", "IndoWaveSentiment"]) if several else ("de", ["EmoDB"])
    )
    assert [result.metric_type for result in data.eval_results] == (
        ["recall"] * 3 if several else ["accuracy", "recall", "f1"]
    )


def test_the_card_is_what_is_written_of_the_record_and_its_readers_see_the_words_alone(folder):
    assert card_of(folder) == card_text(card_in(folder))
    words = open_model(folder, "cpu").card
    assert words == without_front_matter(card_of(folder))
    assert words.startswith("# ")


def test_the_record_is_what_is_written_of_the_card(folder):
    """One writer, one reader: also of the models in the package, which earlier versions have written."""
    record = record_of(folder)
    card = ModelCard.from_json(record, "model.json")
    assert card == card_in(folder)
    assert json.loads(json.dumps(card.to_json())) == record


def test_an_encoder_inside_brings_its_licence_and_its_name():
    small, fast, standard = (header_of(BUNDLED[name]) for name in ("small", "fast", "standard"))
    assert (small["license"], fast["license"], standard["license"]) == ("cc0-1.0", "mit", "other")
    assert standard["license_name"] == "ODbL-1.0; CC-BY-4.0; MIT"
    assert fast["base_model"] == standard["base_model"] == ["openai/whisper-base"]
    assert "base_model" not in small


CARD = replace(
    ModelCard.unmeasured("bigru", "own.csv", ["joy", "fear"]), metrics={"WA": 0.5, "UAR": 0.5, "macro_F1": 0.5}
)


def header(**changes):
    return yaml.safe_load(front_matter(replace(CARD, **changes)).strip("-\n"))


def test_what_is_not_known_is_left_out():
    assert not {"license", "license_name", "language", "base_model"} & set(header())
    assert "datasets" not in header(corpus="EmoDB (synthetic)")  # the hub takes no such name
    assert "license" not in header(about_corpus=AboutCorpus(licence="CC0-1.0"), pretrained=("someone/encoder",))
    assert "model-index" not in header(metrics=None)


def test_leaking_scores_are_not_offered_to_the_hub():
    assert "model-index" in header()
    assert "model-index" not in header(leaking=True)


def test_a_licence_that_has_no_identifier_is_told_in_words():
    words = "research only: no: redistribution\n---\nlicense: mit"
    told = header(about_corpus=AboutCorpus(licence=words), pretrained=("openai/whisper-base",))
    assert (told["license"], told["license_name"]) == ("other", f"{words}; MIT")


def test_undefined_scores_are_left_out_and_numbers_keep_their_scale():
    metrics = dict.fromkeys(("MAE", "r", "Acc7", "Acc5", "Acc2_has0", "F1_has0", "Acc2_non0", "F1_non0"), 0.25)
    found = header(
        task="regression",
        target="sentiment",
        classes=(),
        scale="mosi",
        metrics={**metrics, "MAE": 1.23456, "r": None},
    )
    (entry,) = found["model-index"]
    values = {metric["name"]: metric["value"] for metric in entry["results"][0]["metrics"]}
    assert values["MAE"] == 1.2346
    assert "r" not in values
    assert len(values) == 7


def test_a_text_without_a_header_is_left_alone():
    for text in ("# A card\n\n---\n\nmore\n", "---\nnever closed", ""):
        assert without_front_matter(text) == text


def test_a_corpus_says_what_it_knows_of_itself():
    corpus = Corpus(
        name="Own", licence="CC-BY-4.0", citation="", classes=("joy",), target="emotion", utterances=list, language="en"
    )
    assert corpus.about.to_json() == {"licence": "CC-BY-4.0", "language": "en"}


def test_a_fold_carries_what_its_corpus_says(tmp_path):
    card = export_model(write_fold(tmp_path / "loso", "spk03"), tmp_path / "model")
    assert card.about_corpus.citation.startswith("Burkhardt")
    for text in ("Licence of EmoDB: CC0-1.0.", "To cite for EmoDB: Burkhardt", "It knows acted speech in German."):
        assert text in card_of(tmp_path / "model")
