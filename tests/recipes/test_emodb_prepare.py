"""EmoDB's prepare: verified, idempotent, whole or not at all; on the real corpus too when EMODB names its folder."""

import dataclasses
import importlib.util
import os
import shutil
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_plugins.corpora import corpus as reading
from ser_plugins.corpora import prepare as machinery
from ser_plugins.corpora.audit import audit_files
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.corpora.toy.emodb import EMODB_FEMALE, EMODB_LETTERS, write_toy_emodb
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.files import read_json, write_json, write_text

RECIPE = Path(__file__).parents[2] / "recipes" / "EmoDB" / "emodb_prepare.py"
OPTIONS = [
    {"protocol": protocol, "select": select}
    for protocol in ("loso", "loso-sentence", "random")
    for select in ("last", "inner_speaker")
]


def load_recipe():
    spec = importlib.util.spec_from_file_location("emodb_prepare_under_test", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()
prepare = recipe.prepare_emodb


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write_toy_emodb(tmp_path_factory.mktemp("toy") / "emodb", speakers=3, sentences=4, syllables=2)


@pytest.fixture
def own(toy, tmp_path):
    """A copy to spoil."""
    return Path(shutil.copytree(toy, tmp_path / "emodb"))


def snapshot(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.json")}


def stamps(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*.json")}


class TestManifests:
    @pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options.values()))
    def test_every_fold_passes_the_audit(self, toy, tmp_path, options):
        said = prepare(toy, tmp_path, **options)
        tested = Counter()
        for fold in said["folds"]:
            paths = [tmp_path / fold / f"{part}.json" for part in ("train", "valid", "test")]
            audit_files(*paths, disjoint=said["disjoint"], leaks=said["leaks"])
            tested.update(list(read_manifest(paths[2])))
        assert set(tested.values()) == {1}
        assert set(tested) == set(read_manifest(tmp_path / "corpus.json"))
        assert said["utterances"] == len(tested) == 3 * 4 * 7 - 4

    def test_protocol_json_says_what_was_done(self, toy, tmp_path):
        said = prepare(toy, tmp_path)
        assert said == read_json(tmp_path / "protocol.json")
        assert said["corpus"] == "EmoDB (synthetic)"
        assert said["classes"] == ["anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"]
        assert (said["protocol"], said["selection"], said["subset"]) == ("loso", "last", "full")
        assert (said["disjoint"], said["leaks"], said["unit"]) == (["speaker"], False, "speaker")
        assert said["folds"] == ["spk03", "spk08", "spk09"]
        assert said["data_root"] == str(toy)
        assert read_json(tmp_path / "spk03" / "valid.json") == {}
        assert prepare(toy, tmp_path / "random", protocol="random")["leaks"] is True

    def test_an_utterance_is_described_whole(self, toy, tmp_path):
        said = prepare(toy, tmp_path)
        fields = read_manifest(tmp_path / "corpus.json")["08a01Fa"]
        assert list(fields) == [
            "wav", "duration", "speaker", "gender", "sentence", "emotion", "recognition", "sha256", "audio_sha256",
        ]  # fmt: skip
        assert fields["wav"] == "{data_root}/wav/08a01Fa.wav"
        info = soundfile.info(fields["wav"].replace("{data_root}", said["data_root"]))
        assert fields["duration"] == info.frames / 16000
        assert [fields[name] for name in ("speaker", "gender", "sentence", "emotion")] == [
            "spk08", "female", "a01", "happiness",
        ]  # fmt: skip
        assert 0.8 <= fields["recognition"] <= 1

    def test_nothing_but_protocol_json_knows_the_machine(self, toy, tmp_path):
        said = prepare(toy, tmp_path / "out")
        for name, content in snapshot(tmp_path / "out").items():
            assert (str(toy).encode() in content) == (name == "protocol.json")
        moved = shutil.copytree(toy, tmp_path / "moved")
        before = stamps(tmp_path / "out")
        again = prepare(moved, tmp_path / "out")
        assert again == {**said, "data_root": str(moved)}
        assert {path for path, stamp in stamps(tmp_path / "out").items() if stamp != before[path]} == {
            tmp_path / "out" / "protocol.json"
        }

    def test_listeners_are_optional(self, own, tmp_path):
        (own / "erkennung.txt").write_text(
            "Nr.\tSatz\terkannt\tnatuerlich\n1\xa0\t03a01Fa.wav\t 65,00\xa0\t35,00\n", "latin-1"
        )
        prepare(own, tmp_path / "out")
        rates = {id_: fields["recognition"] for id_, fields in read_manifest(tmp_path / "out" / "corpus.json").items()}
        assert rates.pop("03a01Fa") == 0.65
        assert set(rates.values()) == {None}
        (own / "erkennung.txt").unlink()
        prepare(own, tmp_path / "out")
        assert read_manifest(tmp_path / "out" / "corpus.json")["03a01Fa"]["recognition"] is None

    def test_recipe_and_synthetic_corpus_agree_on_the_names(self):
        assert {letter: emotion for emotion, letter in EMODB_LETTERS.items()} == recipe.EMOTIONS
        assert list(EMODB_FEMALE) == list(recipe.SPEAKERS)
        assert {speaker for speaker, female in EMODB_FEMALE.items() if not female} == set(recipe.MALE)


class TestKeepingUpToDate:
    def test_a_second_call_writes_nothing(self, toy, tmp_path):
        said = prepare(toy, tmp_path)
        before = stamps(tmp_path)
        assert prepare(toy, tmp_path) == said
        assert stamps(tmp_path) == before

    @pytest.mark.parametrize(
        "changed",
        [
            {"protocol": "loso-sentence"},
            {"protocol": "random"},
            {"select": "inner_speaker"},
            {"protocol": "random", "split_seed": 3},
        ],
        ids=str,
    )
    def test_changed_settings_rebuild_and_leave_nothing_stale(self, toy, tmp_path, changed):
        first = prepare(toy, tmp_path / "out")
        second = prepare(toy, tmp_path / "out", **changed)
        assert second["fingerprint"] != first["fingerprint"]
        assert second["corpus_sha256"] == first["corpus_sha256"]
        prepare(toy, tmp_path / "fresh", **changed)
        assert snapshot(tmp_path / "out") == snapshot(tmp_path / "fresh")

    def test_a_changed_corpus_rebuilds(self, toy, tmp_path):
        first = prepare(toy, tmp_path / "out")
        other = write_toy_emodb(tmp_path / "other", speakers=3, sentences=4, syllables=2, seed=1)
        second = prepare(other, tmp_path / "out")
        assert second["fingerprint"] != first["fingerprint"]
        assert second["corpus_sha256"] != first["corpus_sha256"]
        prepare(other, tmp_path / "fresh")
        assert snapshot(tmp_path / "out") == snapshot(tmp_path / "fresh")

    @pytest.mark.parametrize("name", ["corpus.json", "spk08/train.json", "spk09/valid.json", "protocol.json"])
    @pytest.mark.parametrize("content", [None, "{", "[]", '{"spk": {}}'])
    def test_damaged_files_are_repaired(self, toy, tmp_path, name, content):
        prepare(toy, tmp_path)
        whole = snapshot(tmp_path)
        (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
        prepare(toy, tmp_path)
        assert snapshot(tmp_path) == whole

    @pytest.mark.parametrize("after", [0, 1, 5, 9])
    def test_an_interrupted_rebuild_is_no_protocol_and_is_finished_next_time(self, toy, tmp_path, monkeypatch, after):
        prepare(toy, tmp_path / "out", select="inner_speaker")
        written = []

        def stopping(write):
            def write_or_stop(path, value):
                if len(written) == after:
                    raise KeyboardInterrupt
                written.append(path)
                write(path, value)

            return write_or_stop

        for write in (write_json, write_text):
            monkeypatch.setattr(machinery, write.__name__, stopping(write))
        with pytest.raises(KeyboardInterrupt):
            prepare(toy, tmp_path / "out", protocol="loso-sentence")
        assert not (tmp_path / "out" / "protocol.json").exists()
        monkeypatch.undo()
        prepare(toy, tmp_path / "out", protocol="loso-sentence")
        prepare(toy, tmp_path / "fresh", protocol="loso-sentence")
        assert snapshot(tmp_path / "out") == snapshot(tmp_path / "fresh")

    def test_only_the_folds_asked_for_are_written(self, toy, tmp_path):
        whole = prepare(toy, tmp_path / "whole")
        said = prepare(toy, tmp_path / "out", fold="spk08")
        assert said == whole
        every = snapshot(tmp_path / "whole")
        wanted = {name: value for name, value in every.items() if not name.startswith(("spk03", "spk09"))}
        assert set(every) - set(wanted) == {
            f"{fold}/{part}.json" for fold in ("spk03", "spk09") for part in machinery.PARTS
        }
        assert snapshot(tmp_path / "out") == wanted
        prepare(toy, tmp_path / "out", fold="spk09,spk03")
        assert snapshot(tmp_path / "out") == every

    def test_folds_not_asked_for_stay_where_they_are_right(self, toy, tmp_path):
        prepare(toy, tmp_path)
        before = stamps(tmp_path)
        prepare(toy, tmp_path, fold="spk08")
        assert stamps(tmp_path) == before

    @pytest.mark.parametrize("content", [None, "{", "{}"])
    def test_folds_not_asked_for_go_where_they_are_wrong(self, toy, tmp_path, content):
        said = prepare(toy, tmp_path)
        path = tmp_path / "spk03" / "train.json"
        path.unlink() if content is None else path.write_text(content)
        assert prepare(toy, tmp_path, fold="spk08") == said
        assert not (tmp_path / "spk03").exists()
        assert (tmp_path / "spk09").exists()
        assert read_json(tmp_path / "protocol.json") == said

    def test_other_settings_leave_no_fold_of_the_former_ones(self, toy, tmp_path):
        prepare(toy, tmp_path / "out")
        prepare(toy, tmp_path / "out", select="inner_speaker", fold="spk08")
        prepare(toy, tmp_path / "fresh", select="inner_speaker", fold="spk08")
        assert snapshot(tmp_path / "out") == snapshot(tmp_path / "fresh")

    def test_an_unknown_fold_changes_nothing(self, toy, tmp_path):
        prepare(toy, tmp_path)
        before = snapshot(tmp_path)
        with pytest.raises(SerError, match="fold 'spk07'; expected: all, or some of spk03, spk08, spk09"):
            prepare(toy, tmp_path, select="inner_speaker", fold="spk08,spk07")
        assert snapshot(tmp_path) == before

    def test_files_of_others_are_left_alone(self, toy, tmp_path):
        prepare(toy, tmp_path)
        (tmp_path / "spk03" / "notes.txt").write_text("mine")
        (tmp_path / "iemocap").mkdir()
        (tmp_path / "iemocap" / "train.json").write_text("{}")
        prepare(toy, tmp_path, protocol="random")
        assert [path.name for path in (tmp_path / "spk03").iterdir()] == ["notes.txt"]
        assert (tmp_path / "iemocap" / "train.json").exists()
        assert not (tmp_path / "spk08").exists()


def write(path, seconds=2.0, rate=16000, channels=1):
    noise = np.random.default_rng(len(path.name)).uniform(-0.1, 0.1, (int(seconds * rate), channels))
    soundfile.write(path, noise, rate)


def spoil_missing(wav):
    for name in ("03a01Fa", "03a01Na", "08a02Wa"):
        (wav / f"{name}.wav").unlink()


def spoil_renamed(wav):
    (wav / "03a01Fa.wav").rename(wav / "03a01Ta2.wav")


def spoil_flipped(wav):
    content = bytearray((wav / "03a01Fa.wav").read_bytes())
    content[-1] ^= 1
    (wav / "03a01Fa.wav").write_bytes(content)


def spoil_cut(wav):
    (wav / "03a01Fa.wav").write_bytes((wav / "03a01Fa.wav").read_bytes()[:-100])


def spoil_copies(wav):
    for path in wav.iterdir():
        write(path, rate=22050)


SPOILED = {
    "missing": (
        spoil_missing,
        r"77 wav files in .*, 3 missing: 03a01Fa\.wav, 03a01Na\.wav, 08a02Wa\.wav; expected: the 80",
    ),
    "extra": (lambda wav: write(wav / "03a01Fz.wav"), r"81 wav files in .*, 1 extra: 03a01Fz\.wav;"),
    "renamed": (spoil_renamed, r"1 renamed: 03a01Ta2\.wav is 03a01Fa\.wav;"),
    "one bit": (spoil_flipped, r"1 damaged or altered: 03a01Fa\.wav;.* each with its SHA-256; remedy: remove "),
    "cut": (spoil_cut, r"1 damaged or altered: 03a01Fa\.wav \(\d+ of \d+ bytes\)"),
    "no audio": (lambda wav: (wav / "03a01Fa.wav").write_text("x"), r"damaged or altered: 03a01Fa\.wav \(1 of"),
    "empty": (lambda wav: (wav / "03a01Fa.wav").write_bytes(b""), r"damaged or altered: 03a01Fa\.wav \(0 of"),
    "rate": (
        lambda wav: write(wav / "03a01Fa.wav", rate=8000),
        r"1 of 80 .* at 8000 Hz with 1 channel\(s\), the longest 2\.00 s: 03a01Fa\.wav; expected: 16000 Hz mono",
    ),
    "stereo": (lambda wav: write(wav / "03a01Fa.wav", channels=2), r"at 16000 Hz with 2 channel\(s\)"),
    "copies": (
        spoil_copies,
        r"80 of 80 .* 22050 Hz .* longest 2\.00 s: .* and 75 more; these are the copies cut to 2 s .* that circulate",
    ),
}


class TestBadInputs:
    @pytest.mark.parametrize("kind", SPOILED)
    def test_a_spoiled_corpus_is_refused_and_nothing_is_written(self, own, tmp_path, kind):
        spoil, message = SPOILED[kind]
        spoil(own / "wav")
        with pytest.raises(SerError, match=message):
            prepare(own, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_without_the_marker_it_is_not_emodb(self, own, tmp_path):
        (own / "synthetic_corpus.json").unlink()
        with pytest.raises(SerError, match=r"missing: .* and \d+ more; .*the 535 published files.*download\.zip"):
            prepare(own, tmp_path / "out")

    def test_a_folder_without_wavs(self, tmp_path):
        (tmp_path / "emodb").mkdir()
        (tmp_path / "emodb" / "readme.txt").write_text("wavs to come")
        with pytest.raises(MissingPathError, match=r"no wav files in .*wav; expected: 535 wav files"):
            prepare(tmp_path / "emodb", tmp_path / "out")
        with pytest.raises(SerError, match="a file; expected: the folder that holds wav/"):
            prepare(tmp_path / "emodb" / "readme.txt", tmp_path / "out")

    def test_a_failed_download_names_the_ways_out(self, tmp_path, monkeypatch):
        closed = dataclasses.replace(recipe.EMODB, archive="http://127.0.0.1:9/download.zip")
        monkeypatch.setattr(recipe, "EMODB", closed)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SerError, match=r"127\.0\.0\.1:9.* remedy: .*--data_folder /path/to/emodb, .*`make demo`"):
            prepare("data/EmoDB", tmp_path / "out")
        assert not list((tmp_path / "data").iterdir())

    def test_a_mistyped_folder_is_no_wish_for_a_download(self, tmp_path, monkeypatch):
        monkeypatch.setattr(reading, "fetch_archive", lambda *_, **__: pytest.fail("a download began"))
        with pytest.raises(MissingPathError, match=r"nothing at data_folder=.*/nowhere; .*downloaded to data/EmoDB"):
            prepare(tmp_path / "nowhere", tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"protocol": "kfold"}, "got: protocol='kfold'; expected: one of loso, loso-sentence, loso-pairs"),
            ({"subset": "half"}, "got: subset='half'; expected: one of full, balanced50"),
            ({"select": "test"}, "got: select='test'; expected: one of last, inner_speaker"),
            ({"split_seed": "x"}, "got: split_seed='x'; expected: an integer >= 0"),
            ({"split_seed": -1}, "got: split_seed=-1"),
        ],
    )
    def test_unknown_options(self, toy, tmp_path, options, message):
        with pytest.raises(SerError, match=message):
            prepare(toy, tmp_path / "out", **options)

    @pytest.mark.parametrize("line", ["1\t03a01Fa.wav\tmany\t1", "1 03a01Fa.wav 65,00"])
    def test_a_damaged_list_of_recognition_rates(self, own, tmp_path, line):
        (own / "erkennung.txt").write_text(f"Nr.\n{line}\n", "latin-1")
        with pytest.raises(SerError, match=r"erkennung\.txt, line 2: .* expected: number, name, recognised"):
            prepare(own, tmp_path / "out")

    @pytest.mark.parametrize("name", ["hello", "04a01Fa", "03a01Xa", "03c01Fa"])
    def test_a_name_that_is_not_emodb(self, own, tmp_path, name):
        (own / "wav" / "03a01Fa.wav").rename(own / "wav" / f"{name}.wav")
        marker = read_json(own / "synthetic_corpus.json")
        marker["files"][f"{name}.wav"] = marker["files"].pop("03a01Fa.wav")
        write_json(own / "synthetic_corpus.json", marker)
        with pytest.raises(SerError, match=rf"{name}\.wav; expected: a name such as 03a01Fa\.wav"):
            prepare(own, tmp_path / "out")


def test_the_committed_list_matches_the_published_counts():
    names = [line.split("\t")[0] for line in RECIPE.with_name("emodb_sha256.tsv").read_text().splitlines()]
    assert len(set(names)) == 535
    assert Counter(f"spk{name[:2]}" for name in names) == recipe.EMODB.counts["speaker"]
    assert Counter(recipe.EMOTIONS[name[5]] for name in names) == recipe.EMODB.counts["emotion"]


def test_what_listeners_recognised_is_the_mean_of_the_list_and_nothing_is_left_out(own, monkeypatch):
    monkeypatch.syspath_prepend(RECIPE.parents[2] / "scripts")
    listeners = import_module("listeners").listeners
    rates = recipe.recognition_rates(own / "erkennung.txt")
    recorded = [path.name for path in (own / "wav").iterdir()]
    found = listeners(own)
    assert found["recordings"] == len(recorded) < len(rates)
    assert found["WA"] == pytest.approx(np.mean([rates[name] for name in recorded]))
    means = [np.mean([rates[name] for name in recorded if name[5] == letter]) for letter in {n[5] for n in recorded}]
    assert found["UAR"] == pytest.approx(np.mean(means))
    lines = (own / "erkennung.txt").read_text("latin-1").splitlines(keepends=True)
    (own / "erkennung.txt").write_text("".join(line for line in lines if recorded[0] not in line), "latin-1")
    with pytest.raises(SerError, match=rf"erkennung\.txt: nothing of {recorded[0]}"):
        listeners(own)


@pytest.mark.skipif("EMODB" not in os.environ, reason="set EMODB")
class TestRealCorpus:
    def test_the_committed_figures_of_the_listeners(self, monkeypatch):
        monkeypatch.syspath_prepend(RECIPE.parents[2] / "scripts")
        script = import_module("listeners")
        assert script.listeners(Path(os.environ["EMODB"])) == pytest.approx(read_json(script.LISTENERS))

    def test_counts(self, tmp_path):
        said = prepare(os.environ["EMODB"], tmp_path)
        manifest = read_manifest(tmp_path / "corpus.json")
        assert (said["corpus"], said["utterances"], len(said["folds"])) == ("EmoDB", 535, 10)
        durations = [fields["duration"] for fields in manifest.values()]
        assert sum(durations) == pytest.approx(1487.09, abs=0.01)
        assert (min(durations), max(durations)) == pytest.approx((1.2255, 8.978), abs=1e-3)
        assert Counter(fields["gender"] for fields in manifest.values()) == {"female": 302, "male": 233}
        assert len({fields["sentence"] for fields in manifest.values()}) == 10
        assert len({fields["audio_sha256"] for fields in manifest.values()}) == 535
        assert manifest["03a01Fa"]["recognition"] == 0.9
        assert all(fields["recognition"] >= 0.8 for fields in manifest.values())
        rows = recipe.recognition_rates(Path(os.environ["EMODB"]) / "erkennung.txt")
        assert (len(rows), len(set(rows) - {f"{id_}.wav" for id_ in manifest})) == (816, 281)
        # The mean over utterances is the listeners' accuracy.
        assert np.mean([fields["recognition"] for fields in manifest.values()]) == pytest.approx(0.9354, abs=1e-4)

    @pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options.values()))
    def test_every_fold_passes_the_audit(self, tmp_path, options):
        said = prepare(os.environ["EMODB"], tmp_path, **options)
        for fold in said["folds"]:
            paths = [tmp_path / fold / f"{part}.json" for part in ("train", "valid", "test")]
            audit_files(*paths, disjoint=said["disjoint"], leaks=said["leaks"])

    def test_balanced50(self, tmp_path):
        said = prepare(os.environ["EMODB"], tmp_path, subset="balanced50")
        assert (said["utterances"], len(said["folds"])) == (346, 10)
