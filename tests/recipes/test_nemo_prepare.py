"""nEMO's prepare: its table, speakers and sentences apart; on a synthetic copy of the layout."""

import shutil
from inspect import signature

import nemo_prepare as recipe
import pytest
from conftest import ROOT, write_stereo
from nemo_prepare import prepare_nemo as prepare

from ser_plugins.corpora.audit import audit_files
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.corpora.toy.nemo import write_toy_nemo
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.training.settings import resolve


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write_toy_nemo(tmp_path_factory.mktemp("toy") / "nemo", speakers=4, sentences=3, syllables=2)


@pytest.fixture
def own(toy, tmp_path):
    """Without its marker it is a copy of the real corpus that lacks nearly everything."""
    copy = shutil.copytree(toy, tmp_path / "nemo")
    (copy / "synthetic_corpus.json").unlink()
    return copy


HALVES = [f"group{group}_s{half}" for group in (1, 2, 3) for half in (1, 2)]


@pytest.mark.parametrize(("protocol", "folds"), [("loso", ["EB0", "IC0", "KS0", "WR0"]), ("groups-sentence", HALVES)])
def test_every_fold_passes_the_audit(toy, tmp_path, protocol, folds):
    said = prepare(toy, tmp_path, protocol=protocol)
    assert said["folds"] == folds
    assert said["utterances"] == 4 * 3 * 6 - 1
    for fold in said["folds"]:
        paths = [tmp_path / fold / f"{part}.json" for part in ("train", "valid", "test")]
        audit_files(*paths, disjoint=said["disjoint"])


def test_an_utterance_is_described_whole_and_converted_where_it_must_be(own, tmp_path):
    path = own / "samples" / "WR0_surprised_2.wav"
    write_stereo(path, path)
    prepare(own, tmp_path / "out", cache_folder=tmp_path / "audio")
    fields = read_manifest(tmp_path / "out" / "corpus.json")["WR0_surprised_2"]
    wanted = {"speaker": "WR0", "gender": "male", "age": 23, "sentence": "s02", "emotion": "surprise"}
    assert wanted.items() <= fields.items()
    assert fields["transcript"] == "„Żółw” nr 2."
    assert fields["wav"].startswith(str(tmp_path / "audio"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("EB0_anger_1.wav\tanger", "EB0_anger_1.wav\tjoy", r"data\.tsv, line 2: emotion is 'joy'; expected: one of"),
        ("EB0_anger_1.wav\t", "EB0_fear_x.wav\t", r"line 2: file_id is 'EB0_fear_x\.wav'; expected: EB0_anger_ and"),
        ("\tfemale\t27\n", "\tfemale\n", r"line 2: 6 columns; expected: 7"),
        ("EB0_anger_1.wav\t", "EB0_anger_90.wav\t", r"1 missing: EB0_anger_90\.wav \(.*data\.tsv, line 2\)"),
    ],
)
def test_a_line_that_is_wrong_is_named(own, tmp_path, old, new, message):
    table = own / "data.tsv"
    table.write_text(table.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SerError, match=message):
        prepare(own, tmp_path / "out", cache_folder=tmp_path / "audio")
    assert not (tmp_path / "out" / "protocol.json").exists()


def test_what_is_not_whole_is_refused_or_where_it_is_allowed_told(own, tmp_path):
    (own / "samples" / "WR0_surprised_2.wav").unlink()
    with pytest.raises(SerError, match=r"1 missing: WR0_surprised_2\.wav"):
        prepare(own, tmp_path / "out", cache_folder=tmp_path / "audio")
    said = prepare(own, tmp_path / "out", allow_partial=True, cache_folder=tmp_path / "audio")
    assert said["utterances"] == 4 * 3 * 6 - 2
    assert said["statements"][0] == "1 utterances left out (no recording): WR0_surprised_2"
    (own / "data.tsv").unlink()
    with pytest.raises(MissingPathError, match=r"no file .*data\.tsv"):
        prepare(own, tmp_path / "out", cache_folder=tmp_path / "audio")


@pytest.mark.parametrize("path", sorted((ROOT / "recipes" / "nEMO" / "hparams").glob("*.yaml")), ids=lambda p: p.stem)
def test_yamls_say_all_that_prepare_takes(path):
    hparams = resolve(path, {})
    assert set(signature(prepare).parameters) - {"save_folder"} < set(hparams)
    assert hparams["n_classes"] == len(recipe.NEMO.classes)
