"""CREMA-D's prepare: names, defects, groups of actors, and the listeners as labels, on a synthetic corpus."""

import shutil
from pathlib import Path

import cremad_prepare as recipe
import pytest
import soundfile
from conftest import train
from cremad_listeners import PUBLISHED, listeners
from cremad_prepare import prepare_cremad as prepare

from ser_plugins.corpora.audit import audit_files
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.corpora.toy.cremad import SAME_AUDIO, SILENT, write_toy_cremad
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.metrics.tasks import Classification, Regression
from ser_plugins.files import read_json
from ser_plugins.training.data import encode_shares


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Six actors, five sentences: with all defects."""
    return write_toy_cremad(tmp_path_factory.mktemp("toy") / "cremad", sentences=5, syllables=1)


@pytest.fixture
def own(toy, tmp_path):
    """A copy to spoil; without its marker it is a copy of the real corpus that lacks nearly everything."""
    copy = Path(shutil.copytree(toy, tmp_path / "cremad"))
    (copy / "synthetic_corpus.json").unlink()
    return copy


def corpus_of(folder):
    return read_manifest(folder / "corpus.json")


def test_constants_are_those_published_less_the_defects():
    assert sum(recipe.CREMAD.counts["speaker"].values()) == sum(recipe.CREMAD.counts["emotion"].values()) == 7442 - 7
    assert set(recipe.LEFT_OUT) == {SILENT, *SAME_AUDIO, *SAME_AUDIO.values()}


@pytest.mark.parametrize("protocol", ["groups", "groups-sentence", "loso"])
def test_every_fold_passes_the_audit_and_defects_are_left_out_by_name(toy, tmp_path, protocol):
    said = prepare(toy, tmp_path, protocol=protocol)
    tested = []
    for fold in said["folds"]:
        paths = [tmp_path / fold / f"{part}.json" for part in ("train", "valid", "test")]
        audit_files(*paths, disjoint=said["disjoint"])
        tested += read_manifest(paths[2])
    assert sorted(tested) == sorted(corpus_of(tmp_path))
    assert len(tested) == 6 * (4 * 6 + 16) - 7
    assert set(read_json(tmp_path / "skipped.json")) == set(recipe.LEFT_OUT)
    assert "7 utterances left out (one recording under two labels, silent)" in said["statements"][0]


def test_actors_are_dealt_out_in_the_order_of_their_numbers(tmp_path):
    toy = write_toy_cremad(tmp_path / "toy", speakers=8, sentences=1, syllables=1)
    prepare(toy, tmp_path / "out")
    test = read_manifest(tmp_path / "out" / "group1" / "test.json")
    assert {fields["speaker"] for fields in test.values()} == {"spk1001", "spk1076"}  # the first, and the seventh


def test_an_utterance_is_described_whole(toy, tmp_path):
    prepare(toy, tmp_path)
    fields = corpus_of(tmp_path)["1001_IEO_ANG_HI"]
    wanted = {"speaker": "spk1001", "gender": "male", "age": 51, "sentence": "IEO", "intensity": "high"}
    assert wanted.items() <= fields.items()
    assert fields["emotion"] == "anger"
    assert fields["recognition"] == fields["votes"]["anger"] / 10
    assert fields["heard"] is None or fields["votes"][fields["heard"]] == max(fields["votes"].values())


def test_the_listeners_answers_are_labels_and_a_ceiling(toy, tmp_path):
    votes = {id_: fields["votes"] for id_, fields in read_votes(toy, tmp_path).items()}
    acted = prepare(toy, tmp_path)
    right = sum(fields["votes"][fields["emotion"]] for fields in corpus_of(tmp_path).values())
    share = f"{100 * right / (10 * len(votes)):.1f} % of their {10 * len(votes)} single answers"
    assert share in acted["statements"][1]
    heard = prepare(toy, tmp_path, target="heard")
    ties = [id_ for id_, counts in votes.items() if list(counts.values()).count(max(counts.values())) > 1]
    assert ties
    assert f"{len(ties)} utterances without a majority left out" in heard["statements"][1]
    assert heard["utterances"] == acted["utterances"] - len(ties)
    assert heard["target"] == "heard"
    assert heard["fingerprint"] != acted["fingerprint"]


def read_votes(toy, tmp_path):
    prepare(toy, tmp_path)
    return corpus_of(tmp_path)


def test_only_answers_to_the_voice_alone_count(toy):
    table = (toy / "processedResults" / "tabulatedVotes.csv").read_text().splitlines()
    voice = [line for line in table[1:] if line.startswith("1")]
    assert len(listeners(toy)) == len(voice) == (len(table) - 1) // 3


def test_the_majority_is_enough_for_labels_and_the_published_ceiling_stands_in(own, tmp_path):
    table = own / "processedResults" / "tabulatedVotes.csv"
    letters = {id_: ":".join(most) for id_, most in ((id_, _letters(heard)) for id_, heard in listeners(own).items())}
    lines = [f'"{number}","{id_}","{vote}","50"' for number, (id_, vote) in enumerate(letters.items())]
    table.with_name("summaryTable.csv").write_text("\n".join(['"","FileName","VoiceVote","VoiceLevel"', *lines]))
    before = {id_: heard.emotion for id_, heard in listeners(own).items()}
    table.unlink()
    assert {id_: heard.emotion for id_, heard in listeners(own).items()} == before
    assert PUBLISHED in prepare(own, tmp_path / "out", allow_partial=True)["statements"][2]
    table.with_name("summaryTable.csv").unlink()
    with pytest.raises(SerError, match=r"no table of the listeners' answers .* --target emotion"):
        prepare(own, tmp_path / "out", target="heard", allow_partial=True)


def _letters(heard):
    return [emotion[0].upper() for emotion, count in heard.votes.items() if count == max(heard.votes.values())]


def test_copies_in_flac_with_a_table_of_their_own(own, tmp_path):
    shutil.rmtree(own / "processedResults")
    (own / "VideoDemographics.csv").unlink()
    (own / "audio").mkdir()
    for id_ in ("1001_TIE_ANG_XX", "1001_TIE_SAD_XX", "1091_TIE_ANG_XX"):
        wave, rate = soundfile.read(own / "AudioWAV" / f"{id_}.wav", dtype="int16")
        soundfile.write(own / "audio" / f"{id_}.flac", wave, rate)
    shutil.rmtree(own / "AudioWAV")
    rows = ["1001_TIE_ANG_XX.flac,1001,Male,51,anger", "1001_TIE_SAD_XX.flac,1001,Male,51,fear/neutral",
            "1091_TIE_ANG_XX.flac,1091,Female,29,anger"]  # fmt: skip
    (own / "cremad.csv").write_text("\n".join(["wav,speaker,sex,age,heard", *(f"audio/{row}" for row in rows)]))
    said = prepare(own, tmp_path / "out", allow_partial=True)
    assert said["statements"][0].startswith("partial copy: 3 of 7435 utterances, without speaker spk1002, spk1003")
    assert corpus_of(tmp_path / "out")["1091_TIE_ANG_XX"]["age"] == 29
    assert prepare(own, tmp_path / "out", target="heard", allow_partial=True)["utterances"] == 2


def test_what_is_not_the_corpus_is_refused(own, tmp_path):
    with pytest.raises(SerError, match=r"speaker spk1001: 40 utterances.*speaker spk1001: 82.*--allow_partial"):
        prepare(own, tmp_path / "out")
    (own / "AudioWAV" / "1001_TIE_ANG_XX.wav").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(SerError, match=r"1 unusable: AudioWAV/1001_TIE_ANG_XX\.wav.*git-lfs"):
        prepare(own, tmp_path / "out", allow_partial=True)
    (own / "AudioWAV" / "1001_TIE_JOY_XX.wav").touch()
    with pytest.raises(SerError, match=r"1001_TIE_JOY_XX\.wav; expected: a name such as 1001_IEO_ANG_HI\.wav"):
        prepare(own, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.md").touch()
    with pytest.raises(MissingPathError, match="no wav or flac in"):
        prepare(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("protocol.json"))


def test_one_group_is_trained_on_the_majority_or_on_all_answers(tmp_path):
    toy = write_toy_cremad(tmp_path / "toy", speakers=3, sentences=1, syllables=1)
    options = ["--fold", "group2", "--target", "heard", "--number_of_epochs", "3"]
    losses = []
    for name, soft in (("one", []), ("all", ["--soft_labels", "votes"])):
        train(toy, tmp_path / name, *options, *soft, name="CREMAD")
        results = read_json(tmp_path / name / "bigru_mha" / "heard_groups" / "seed_1234" / "group2" / "results.json")
        assert results["protocol"]["target"] == "heard"
        losses.append(results["history"][-1]["train_loss"])
    assert losses[0] != pytest.approx(losses[1], abs=1e-4)  # the same start, but other targets


@pytest.mark.parametrize("votes", [None, {}, {"joy": 3}, {"anger": 0}])
def test_answers_that_are_no_counts_are_named(votes):
    tasks = {"emotion": Classification(["anger", "fear"])}
    with pytest.raises(SerError, match=r"train\.json: u1: votes .*counts of answers by class, of anger, fear"):
        encode_shares(tasks, "votes", {"u1": {"votes": votes}}, "train.json")
    with pytest.raises(SerError, match="one target, in classes"):
        encode_shares({"valence": Regression("vad")}, "votes", {"u1": {"votes": votes}}, "train.json")
