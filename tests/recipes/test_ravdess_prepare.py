"""RAVDESS' prepare: names, the defect, song, pairs of actors; on a synthetic copy of the layout."""

import shutil
from inspect import signature

import pytest
import ravdess_prepare as recipe
from conftest import ROOT, write_stereo
from ravdess_prepare import prepare_ravdess as prepare

from ser_plugins.corpora.audit import audit_files
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.corpora.toy.ravdess import SAME_AUDIO, write_toy_ravdess
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.files import read_json
from ser_plugins.training.settings import resolve


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write_toy_ravdess(tmp_path_factory.mktemp("toy") / "ravdess", speakers=3, syllables=2)


@pytest.fixture
def own(toy, tmp_path):
    """Without its marker it is a copy of the real corpus that lacks nearly everything."""
    copy = shutil.copytree(toy, tmp_path / "ravdess")
    (copy / "synthetic_corpus.json").unlink()
    return copy


def test_constants_are_those_published_less_the_defect():
    assert [sum(counts.values()) for counts in recipe.SPOKEN.values()] == [1440 - 1] * 2
    assert [sum(counts.values()) for counts in recipe.SUNG.values()] == [1012] * 2
    assert set(recipe.LEFT_OUT) == set(SAME_AUDIO)


@pytest.mark.parametrize(
    ("protocol", "folds"), [("loso", ["spk01", "spk07", "spk08"]), ("groups-sentence", ["group1_s1", "group1_s2"])]
)
def test_every_fold_passes_the_audit_and_the_defect_is_left_out_by_name(toy, tmp_path, protocol, folds):
    said = prepare(toy, tmp_path, protocol=protocol)
    assert said["folds"][: len(folds)] == folds
    assert set(read_json(tmp_path / "skipped.json")) == set(recipe.LEFT_OUT)
    assert said["utterances"] == 3 * 60 - 1
    for fold in said["folds"]:
        paths = [tmp_path / fold / f"{part}.json" for part in ("train", "valid", "test")]
        audit_files(*paths, disjoint=said["disjoint"])


def test_groups_have_men_and_women(tmp_path):
    manifest = {f"u{actor}": {"speaker": f"spk{actor:02d}", "sentence": "kids"} for actor in range(1, 25)}
    blocks = recipe.RAVDESS.protocols["groups"].blocks(manifest, "emotion", 0)
    assert [sum(int(id_[1:]) % 2 for id_ in ids) for ids in blocks.values()] == [2] * 6
    assert [len(ids) for ids in blocks.values()] == [4] * 6


def test_copies_of_other_rates_are_converted_and_song_is_asked_for(own, tmp_path):
    spoken = own / "Actor_08" / "03-01-05-02-01-02-08.wav"
    write_stereo(spoken, spoken)
    shutil.copy(own / "Actor_01" / "03-01-05-02-01-01-01.wav", tmp_path / "song.wav")
    write_stereo(own / "song" / "Actor_01" / "03-02-05-02-01-01-01.wav", tmp_path / "song.wav")
    (own / "Actor_01" / "03-01-05-02-01-01-01.wav").unlink()
    options = {"allow_partial": True, "cache_folder": tmp_path / "audio"}
    said = prepare(own, tmp_path / "out", **options)
    fields = read_manifest(tmp_path / "out" / "corpus.json")[spoken.stem]
    wanted = {"speaker": "spk08", "gender": "female", "sentence": "kids", "channel": "speech", "intensity": "strong"}
    assert wanted.items() <= fields.items()
    assert (fields["repetition"], fields["emotion"]) == (2, "anger")
    assert fields["wav"].startswith(str(tmp_path / "audio"))
    assert (said["utterances"], "speech without song" in said["statements"]) == (3 * 60 - 2, True)
    assert prepare(own, tmp_path / "song", song=True, **options)["utterances"] == 3 * 60 - 1


def test_what_is_not_the_corpus_is_refused(own, tmp_path):
    with pytest.raises(SerError, match=r"speaker spk02: 0 utterances.*expected: .*speaker spk02: 60.*--allow_partial"):
        prepare(own, tmp_path / "out", cache_folder=tmp_path / "audio")
    shutil.copytree(own / "Actor_01", own / "again" / "Actor_01")
    with pytest.raises(SerError, match=r"the id 03-01-01-01-01-01-01 twice"):
        prepare(own, tmp_path / "out", cache_folder=tmp_path / "audio")
    (own / "Actor_01" / "01-01-01-01-01-01-01.wav").touch()
    with pytest.raises(SerError, match=r"01-01-01-01-01-01-01\.wav; expected: a name such as"):
        prepare(own, tmp_path / "out", cache_folder=tmp_path / "audio")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.md").touch()
    with pytest.raises(MissingPathError, match=r"no wav or flac .*zenodo\.org/records/1188976"):
        prepare(tmp_path / "empty", tmp_path / "out")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "recipes" / "RAVDESS" / "hparams").glob("*.yaml")), ids=lambda p: p.stem
)
def test_yamls_say_all_that_prepare_takes(path):
    hparams = resolve(path, {})
    assert set(signature(prepare).parameters) - {"save_folder"} < set(hparams)
    assert hparams["n_classes"] == len(recipe.RAVDESS.classes)
