"""Systems that read: trained as those that hear, from any recipe, on pieces of the training fold alone."""

import hashlib
import json
import shutil
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sentencepiece
import soundfile
import torch
from commands import run_here
from conftest import ROOT, data_option
from cremad_prepare import SENTENCES
from fake_run import CLASSES, random_modules, tone
from typer.testing import CliRunner

from ser_plugins.classifier import ClassifierHead
from ser_plugins.cli import app
from ser_plugins.corpora.prepare import SOUNDLESS
from ser_plugins.corpora.toy.emodb import EMODB_SENTENCES
from ser_plugins.corpora.toy.sentiment import write_toy_chsims, write_toy_mosi
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_model
from ser_plugins.inference import EmotionClassifier, open_model
from ser_plugins.inference.constructors import construct, construct_one
from ser_plugins.inference.description import Description, read_description, write_description
from ser_plugins.inference.explain import answer_of
from ser_plugins.inference.explain_text import explain_text
from ser_plugins.sound.suffixes import MEDIA
from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm
from ser_plugins.subwords import SubwordEncoder
from ser_plugins.text import FUSIONS, Fusion, LogLinearHead, TextEncoder
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.preflight import check_keys
from ser_plugins.training.settings import resolve
from ser_plugins.training.transcripts import transcripts_of

YAMLS = sorted([*ROOT.glob("recipes/*/hparams/*_text.yaml"), *ROOT.glob("recipes/*/hparams/*_fusion.yaml")])
TEXT = ["--text_hidden_size", "8", "--text_heads", "2", "--number_of_epochs", "2"]
SOUND = ["--hidden_size", "8", "--heads", "2", "--layers", "1"]


def _heard_alone(path):
    return path.with_stem(path.stem.removesuffix("_text").removesuffix("_fusion"))


PAIRED = [path for path in YAMLS if _heard_alone(path).is_file()]


@pytest.mark.parametrize("path", PAIRED, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_system_that_reads_is_one_that_hears_but_for_the_transcripts(path):
    sound = resolve(_heard_alone(path), {})
    values = resolve(path, {})
    own = {"system", "modules", "embedding_model", "classifier", "checkpointer"}
    own |= {"run_folder", "output_folder", "save_folder", "train_logger"}  # which follow from the name
    if path.stem == "bigru_mha_text":
        own |= {"hop_length", "n_fft", "max_frequency", "compute_features", "mean_var_norm", "normalisation"}
        own |= {"front_end", "recurrence", "bidirectional", "hidden_size", "layers", "heads"}
        own |= {"number_of_epochs", "epoch_counter", "lr", "opt_class"}
    assert {key for key in sound if values.get(key) != sound[key]} <= own
    assert values["system"] == path.stem


@pytest.mark.parametrize("path", sorted(set(YAMLS) - set(PAIRED)), ids=lambda path: path.parts[-3])
def test_others_that_read_are_tested_as_their_recipe_has_it_and_are_else_those_of_any_corpus(path):
    values, recipe = resolve(path, {}), resolve(path.with_stem("bigru_mha_fusion"), {})
    anyones = resolve(ROOT / "recipes" / "CSV" / "hparams" / path.name, {})
    own = {"run_folder", "output_folder", "save_folder", "features_folder", "train_logger"}
    own |= {"embedding_model", "classifier", "modules", "checkpointer"}  # which follow from the other keys
    assert {key for key, value in values.items() if value not in (recipe.get(key), anyones.get(key))} <= own
    tested = {"data_folder", "protocol", "select", "fold", "manifest_folder", "transcript", "vocabulary"}
    assert {key for key in tested if values[key] != recipe[key]} == set()
    trained = {"source", "states", "pool", "states_size", "hidden_size", "heads", "dropout", "number_of_epochs", "lr"}
    assert {key for key in trained if values[key] != anyones[key]} == set()


@pytest.mark.parametrize(("recipe", "codes"), [("EmoDB", EMODB_SENTENCES), ("CREMAD", SENTENCES)])
def test_every_sentence_of_a_corpus_has_its_words(recipe, codes):
    paths = [path for path in YAMLS if path.parts[-3] == recipe]
    sentences = [resolve(path, {})["sentences"] for path in paths]
    assert len(paths) == 2
    assert all(set(one) == set(codes) and one == sentences[0] for one in sentences)
    assert len(set(sentences[0].values())) == len(codes)


class Run:
    """One system, trained in two epochs on a synthetic corpus in MOSI's layout and exported."""

    def __init__(self, folder, system):
        self.corpus = write_toy_mosi(folder / "mosi", videos=4, segments=3, layout="mmsa", syllables=2)
        where = ["--data_folder", str(self.corpus), "--results_folder", str(folder / "results")]
        sound = [] if system == "bigru_mha_text" else SOUND
        arguments = [f"hparams/{system}.yaml", *where, *TEXT, *sound, "--noprogressbar"]
        run_here("train.py", *arguments, cwd=ROOT / "recipes" / "MOSI")
        self.run = folder / "results" / system / "standard"
        self.fold = self.run / "seed_1234" / "standard"
        manifests = next((folder / "results" / "manifests").glob("*/standard"))
        self.train, self.test = (json.loads((manifests / f"{part}.json").read_text()) for part in ("train", "test"))
        self.vocabulary = resolve(ROOT / "recipes/MOSI/hparams" / f"{system}.yaml", {})["vocabulary"]
        self.model = folder / "model"
        export_model(self.fold, self.model)

    def wav(self, fields):
        return fields["wav"].replace("{data_root}", str(self.corpus))


@pytest.fixture(scope="module", params=["bigru_mha_text", "bigru_mha_fusion"])
def trained(request, tmp_path_factory):
    return Run(tmp_path_factory.mktemp("read"), request.param)


class TestTrained:
    def test_pieces_are_learnt_from_the_training_fold(self, trained):
        said = [fields["transcript"] for fields in trained.train.values()]
        assert all(said)
        expected = SubwordEncoder(trained.vocabulary).fit(said)
        kept = torch.load(next(trained.fold.glob("save/CKPT*/subwords.ckpt")), weights_only=True)
        assert bytes(kept["model"].tolist()) == expected.content == (trained.model / "subwords.model").read_bytes()

    def test_the_exported_model_says_what_was_tested(self, trained):
        model = open_model(trained.model, any_sound=True)
        rows = pd.read_csv(trained.run / "predictions.csv").set_index("id")
        wavs = [trained.wav(fields) for fields in trained.test.values()]
        texts = [fields["transcript"] for fields in trained.test.values()]
        scores = [outcome.score for outcome in model.predict(wavs, text=texts)]
        assert scores == pytest.approx([rows.loc[id_, "predicted"] for id_ in trained.test], abs=1e-4)
        assert model.predict(wavs[0], text=texts[0]).score == pytest.approx(scores[0], abs=1e-5)
        assert model.predict_file(wavs[0], texts[0]).score == pytest.approx(scores[0], abs=1e-5)

    def test_without_text_sound_is_judged_alone_or_nothing_is(self, trained):
        model = open_model(trained.model, any_sound=True)
        wav = trained.wav(next(iter(trained.test.values())))
        if trained.run.parent.name == "bigru_mha_text":
            with pytest.raises(SerError, match="reads alone"):
                model.predict(wav)
        else:
            assert model.predict(wav).score == pytest.approx(model.predict(wav, text=" ").score)
            assert model.predict(wav).score != pytest.approx(model.predict(wav, text="word 2").score, abs=1e-7)
        with pytest.raises(SerError, match="2 texts for 1 recordings"):
            model.predict([wav], text=["yes", "no"])

    def test_the_card_says_what_is_read_and_how_to_tell_it(self, trained):
        text = (trained.model / "README.md").read_text(encoding="utf-8")
        assert 'model.predict_file("speech.wav", "what is said in it")' in text
        assert "EncoderClassifier" not in text
        alone = trained.run.parent.name == "bigru_mha_text"
        assert ("without it there is no answer" in text) is alone
        assert ("judged alone" in text) is not alone

    def test_the_command_takes_a_text(self, trained):
        wav = trained.wav(next(iter(trained.test.values())))
        typed = ["classify", wav, "--model", str(trained.model), "--any-sound", "--json", "--text", "word 2"]
        expected = open_model(trained.model, any_sound=True).predict(wav, text="word 2").score
        assert json.loads(CliRunner().invoke(app, typed).stdout)[0]["score"] == pytest.approx(expected, abs=1e-4)
        typed.insert(1, trained.wav(next(iter(trained.train.values()))))
        assert "--text for 2 recordings" in str(CliRunner().invoke(app, typed).exception)

    def test_pieces_that_were_changed_are_refused(self, trained, tmp_path):
        copy = tmp_path / "model"
        shutil.copytree(trained.model, copy)
        (copy / "subwords.model").write_bytes(b"nonsense")
        with pytest.raises(SerError, match="changed or damaged"):
            open_model(copy)
        _list_anew(copy, {"subwords.model": hashlib.sha256(b"nonsense").hexdigest()})
        with pytest.raises(SerError, match=r"subwords\.model: a model of 0 pieces"):
            open_model(copy)
        _list_anew(copy, {"subwords.model": None})
        with pytest.raises(SerError, match="reads, else none"):
            open_model(copy)

    def test_a_graph_of_it_says_the_same_and_which_pieces_it_takes(self, trained, tmp_path):
        onnxruntime = pytest.importorskip("onnxruntime", reason='needs pip install "ser-plugins[onnx]"')
        typed = ["onnx", str(trained.model), str(tmp_path / "model.onnx")]
        assert "in: pieces (batch, pieces)" in CliRunner().invoke(app, typed).stdout
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        about = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
        content = (trained.model / "subwords.model").read_bytes()
        assert about["subwords_sha256"] == hashlib.sha256(content).hexdigest()
        wav = trained.wav(next(iter(trained.test.values())))
        wave, _ = soundfile.read(wav, dtype="float32")
        numbers = sentencepiece.SentencePieceProcessor(model_proto=content).encode("word 2")
        inputs = {"pieces": np.array([numbers]), "counts": np.array([len(numbers)])}
        if trained.run.parent.name != "bigru_mha_text":
            inputs |= {"waves": wave[None], "lengths": np.array([len(wave)])}
        expected = open_model(trained.model, any_sound=True).predict(wav, text="word 2").score
        (scores,) = session.run(None, inputs)
        assert scores == pytest.approx([expected], abs=1e-4)


def _list_anew(folder, hashes):
    """Change the hashes in a card, as whoever makes a model could; None leaves a file out."""
    card = json.loads((folder / "model.json").read_text())
    card["files"] = {name: digest for name, digest in (card["files"] | hashes).items() if digest}
    (folder / "model.json").write_text(json.dumps(card))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_and_late_fusion_are_described_and_built_again(fusion):
    sizes = {"bins": "400", "fusion": fusion, "vocabulary": "50", "heads": "4", "hidden_size": "8", "fusion_heads": "4"}
    encoder = construct_one(Fusion, "embedding_model", sizes, "x.yaml")
    head = {"input_size": str(encoder.output_size), "classes": "3"}
    late = {"text_size": str(encoder.text_size)} if fusion != "gated" else {}
    modules = {
        "compute_features": (LogPowerSpectrogram, {}),
        "mean_var_norm": (ZNorm, {}),
        "embedding_model": (Fusion, sizes),
        "classifier": (LogLinearHead if late else ClassifierHead, {**head, **late}),
    }
    text = write_description(Description(modules)).encode()
    built = construct(read_description(text, "x.yaml"), "x.yaml")
    assert built["classifier"].output.out_features == 3
    with pytest.raises(SerError, match="vocabulary"):
        read_description(text.replace(b"vocabulary: 50", b"vocabulary: 99999999"), "x.yaml")


def test_text_for_a_model_that_hears_alone_is_refused():
    with pytest.raises(SerError, match="hears alone"):
        open_model("small").predict(tone(), 16000, text="good morning")


@pytest.mark.parametrize("system", ["bigru_mha_text", "bigru_mha_fusion"])
@pytest.mark.parametrize("recipe", ["IEMOCAP", "CSV"])
def test_other_recipes_read_too(recipe, system, toy_iemocap, toy_emodb, tmp_path):
    data = toy_iemocap
    if recipe == "CSV":
        data = tmp_path / "my.csv"
        wavs = sorted((toy_emodb / "wav").glob("*[WT]a.wav"))
        rows = [f"{wav},{wav.stem[5]},{wav.stem[:2]},{'' if n % 3 else 'good day'}" for n, wav in enumerate(wavs)]
        data.write_text("\n".join(["wav,label,speaker,text", *rows]) + "\n", encoding="utf-8")
    fold = {"IEMOCAP": "Ses01F", "CSV": "spk08"}[recipe]
    where = [data_option(recipe), str(data), "--results_folder", str(tmp_path / "runs"), "--fold", fold]
    sound = [] if system == "bigru_mha_text" else SOUND
    run_here("train.py", f"hparams/{system}.yaml", *where, *TEXT, *sound, cwd=ROOT / "recipes" / recipe)
    results = json.loads(next((tmp_path / "runs").rglob(f"{fold}/results.json")).read_text())
    assert "said in training too" in results["audit"]
    assert 0 <= results["metrics"]["UAR"] <= 1


def test_probabilities_of_a_model_that_reads_are_calibrated_too(toy_emodb, tmp_path):
    data = tmp_path / "my.csv"
    wavs = [wav for wav in sorted((toy_emodb / "wav").glob("*.wav")) if wav.stem[5] in "WT"]
    rows = [f"{wav},{wav.stem[5]},{wav.stem[:2]},{'good' if wav.stem[5] == 'W' else 'bad'} day" for wav in wavs]
    data.write_text("\n".join(["wav,label,speaker,text", *rows]) + "\n", encoding="utf-8")
    where = ["--csv", str(data), "--results_folder", str(tmp_path / "runs"), *TEXT]
    for fold in sorted({f"spk{wav.stem[:2]}" for wav in wavs}):  # one by one: several would be processes
        arguments = ["hparams/bigru_mha_text.yaml", *where, "--fold", fold]
        run_here("train.py", *arguments, cwd=ROOT / "recipes" / "CSV")
    run = next((tmp_path / "runs").glob("bigru_mha_text/loso"))
    card = export_model(run, tmp_path / "model")
    assert card.calibration
    assert card.temperature != 1
    row = pd.read_csv(run / "seed_1234" / card.this_model.fold / "predictions.csv").iloc[0]
    wav = next(wav for wav in wavs if wav.stem == Path(row["id"]).stem)
    model = open_model(tmp_path / "model", any_sound=True)
    given = model.predict(wav, text="good day" if row["true"] == "W" else "bad day").probabilities
    tested = torch.tensor([row["p_T"], row["p_W"]]).log() / card.temperature
    assert [given["T"], given["W"]] == pytest.approx(tested.softmax(0).tolist(), abs=1e-4)


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


@pytest.mark.parametrize(
    ("recipe", "write"), [("MOSI", partial(write_toy_mosi, layout="mmsa")), ("CHSIMS", write_toy_chsims)]
)
def test_label_files_alone_are_enough_for_words_alone(recipe, write, tmp_path):
    corpus = write(tmp_path / "corpus", 4, 4, syllables=2)
    prepare = getattr(import_module(f"{recipe.lower()}_prepare"), f"prepare_{recipe.lower()}")
    heard = prepare(corpus, tmp_path / "heard", needs_sound=False)
    for path in [path for path in corpus.rglob("*") if path.suffix in MEDIA]:
        path.unlink()
    where = ["--data_folder", str(corpus), "--results_folder", str(tmp_path / "runs"), "--noprogressbar"]
    run_here("train.py", "hparams/bigru_mha_text.yaml", *where, *TEXT, cwd=ROOT / "recipes" / recipe)
    results = json.loads(next((tmp_path / "runs").rglob("seed_*/*/results.json")).read_text())
    said = next((tmp_path / "runs").rglob("corpus.json"))
    assert _words(said) == _words(tmp_path / "heard" / "corpus.json")
    assert results["protocol"]["statements"][0] == SOUNDLESS
    assert SOUNDLESS not in heard["statements"]
    assert "identical samples not compared in" in results["audit"]
    with pytest.raises(SerError, match="wav files"):
        prepare(corpus, tmp_path / "again")


def _words(manifest):
    return {id_: fields["transcript"] for id_, fields in json.loads(manifest.read_text(encoding="utf-8")).items()}


def test_what_pieces_weighed_is_the_slope_of_the_answer():
    subwords = SubwordEncoder(60).fit(["good day", "bad day", "good", "bad", "day"])
    torch.manual_seed(0)
    modules = random_modules()
    text = TextEncoder(60, piece_size=8, hidden_size=8, heads=2)
    modules.update({"embedding_model": text, "subwords": subwords, "classifier": ClassifierHead(text.output_size, 7)})
    model = EmotionClassifier(modules, CLASSES, any_sound=True)
    rows = explain_text(model, tone(), "good day", 16000)
    assert [row.piece for row in rows] == [subwords.pieces[number] for number in subwords(["good day"])[0][0]]
    assert sum(row.attention for row in rows) == pytest.approx(1, abs=1e-5)

    def log_odds(vectors):
        states, counts, _ = text.encoder.encode(vectors, torch.tensor([vectors.shape[1]]))
        return answer_of(modules["classifier"](text.encoder.pooling(states, counts)))[0]

    vectors = text.vectors(subwords(["good day"])[0])
    for place, row in enumerate(rows):  # by differences, in the direction in which the answer grows most
        slopes = []
        for unit in torch.eye(8) * 1e-2:
            changed = vectors.clone()
            changed[0, place] += unit
            slopes.append((log_odds(changed) - log_odds(2 * vectors - changed)) / 2e-2)
        assert row.gradient == pytest.approx(float(torch.stack(slopes).norm()), rel=0.05, abs=1e-3)
    with pytest.raises(SerError, match="hears alone"):
        explain_text(open_model("small"), tone(), "good day", 16000)
