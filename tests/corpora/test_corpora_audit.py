"""The auditor catches every planted leak, and says what it cannot know."""

import copy
import json
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import soundfile

from ser_plugins.corpora import near_duplicates as alike
from ser_plugins.corpora.audit import LeakageError, audit, audit_files
from ser_plugins.errors import MissingPathError, SerError


def split(speaker, count=2, **more):
    return {
        f"{speaker}_{i}": {
            "wav": f"{{data_root}}/{speaker}_{i}.wav",
            "speaker": speaker,
            "sentence": f"a{i:02d}",
            "sha256": f"file {speaker} {i}",
            "audio_sha256": f"samples {speaker} {i}",
            **more,
        }
        for i in range(count)
    }


@pytest.fixture
def splits():
    return {"train": {**split("spk03"), **split("spk08")}, "valid": split("spk09"), "test": split("spk10", 3)}


PAIRS = [("train", "test"), ("train", "valid"), ("valid", "test")]


def plant(splits, one, other, **changes):
    """Copy an utterance of ``one`` into ``other``, under another name, speaker and file; but for ``changes``."""
    splits = copy.deepcopy(splits)
    source = next(iter(splits[one].values()))
    stranger = split("spk99", 1)["spk99_0"]
    splits[other]["planted"] = {**stranger, **{field: source[field] for field in changes.get("take", ())}}
    return splits


def test_a_clean_triple_passes_in_one_line(splits):
    found = audit(**splits)
    assert found.line == (
        "audit ok: 4/2/3 utterances; disjoint: speaker (2/1/1), identical samples; shared: sentence (2 of 3); "
        "near-duplicates not compared in 9 of 9 (no file, or too short)"
    )  # the third sentence occurs in test only
    assert (found.disjoint, found.shared, found.audio_compared) == (("speaker",), ("sentence",), False)
    assert found.counts == {"train": 4, "valid": 2, "test": 3}


def test_what_was_found_cannot_be_changed(splits):
    with pytest.raises(FrozenInstanceError):
        audit(**splits).audio_compared = True


def test_an_empty_valid_is_fine(splits):
    assert audit(splits["train"], {}, splits["test"]).line.startswith("audit ok: 4/0/3 utterances")


@pytest.mark.parametrize(("one", "other"), PAIRS)
@pytest.mark.parametrize("field", ["sha256", "audio_sha256", "wav"])
@pytest.mark.parametrize("leaks", [False, True])
def test_identical_audio_is_caught_also_in_a_leaking_protocol(splits, one, other, field, leaks):
    with pytest.raises(LeakageError, match=f"identical samples in {one} and {other} .* expected: no identical"):
        audit(**plant(splits, one, other, take=[field]), leaks=leaks)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_same_id_is_caught(splits, one, other):
    id_ = next(iter(splits[one]))
    splits[other][id_] = split("spk99", 1)["spk99_0"]
    with pytest.raises(LeakageError, match=rf"id {id_} in {one} \(1\) and {other} \(1 utterances\)"):
        audit(**splits)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_speaker_in_two_splits_is_caught(splits, one, other):
    with pytest.raises(LeakageError, match=rf"speaker spk\d\d in {one} \(2\) and {other} \(1 utterances\)"):
        audit(**plant(splits, one, other, take=["speaker"]))


@pytest.mark.parametrize("field", ["session", "video", "sentence"])
def test_whatever_a_protocol_claims_is_checked(splits, field):
    for number, part in enumerate(splits.values()):
        for fields in part.values():
            fields[field] = f"{field}{number}"
    audit(**splits, disjoint=("speaker", field))
    next(iter(splits["test"].values()))[field] = f"{field}0"
    with pytest.raises(LeakageError, match=rf"{field} {field}0 in train \(4\) and test \(1 utterances\)"):
        audit(**splits, disjoint=("speaker", field))


def test_a_number_and_its_text_are_the_same_speaker(splits):
    for part, speaker in (("train", 3), ("test", "3")):
        next(iter(splits[part].values()))["speaker"] = speaker
    with pytest.raises(LeakageError, match="speaker 3 in train"):
        audit(**splits)


SPELLINGS = [
    ("01", "1"),
    ("1", "1.0"),
    (1, 1.0),
    ("01", 1),
    ("spk01", "SPK01 "),
    ("spk01", "spk_1"),
    ("spk01", "\uff53\uff50\uff4b\uff10\uff11"),
    ("J\xfcrgen", "Ju\u0308rgen"),
    ("anna", "anna\u200b"),
    ("anna", "\ufeffanna"),
    ("anna", "an\xadna"),
    ("Anna Berg", "Anna\xa0Berg"),
    ("Anna Berg", "anna\tberg"),
    ("Anna-Berg", "Anna\u2010Berg"),
    ("\ufb01nn", "finn"),
]


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_one_speaker_in_two_spellings_is_one_speaker(splits, one, other):
    for part, speaker in (("train", one), ("test", other)):
        next(iter(splits[part].values()))["speaker"] = speaker
    with pytest.raises(LeakageError, match=r"speaker .*=.* in train") as caught:
        audit(**splits)
    left, right = re.search("speaker (.*) = (.*) in train", caught.value.got).groups()
    assert left != right


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_two_spellings_inside_one_split_are_refused(splits, one, other):
    for fields, speaker in zip(splits["train"].values(), (one, other), strict=False):
        fields["speaker"] = speaker
    with pytest.raises(SerError, match=r"speaker in two spellings: .*=.*one counts as two"):
        audit(**splits)


@pytest.mark.parametrize("value", [None, "", " ", "nan", "None", "N/A", "null", float("nan"), True, ["spk03"], {}, "?"])
def test_a_missing_speaker_is_no_speaker(splits, value):
    next(iter(splits["test"].values()))["speaker"] = value
    with pytest.raises(SerError, match=r"1 utterances without speaker \(spk10_0: "):
        audit(**splits)


@pytest.mark.parametrize(("one", "other"), [("1_11", "11_1"), ("a", "\xe4"), ("spk1", "spk11"), (1, 1.5), ("C+", "C-")])
def test_other_names_are_other_speakers(splits, one, other):
    for part, speaker in (("train", one), ("test", other)):
        for fields in splits[part].values():
            fields["speaker"] = speaker
    assert "disjoint: speaker (1/1/1)" in audit(**splits).line


def test_a_leaking_protocol_says_so_first(splits):
    leaking = plant(splits, "train", "test", take=["speaker"])
    line = audit(**leaking, disjoint=(), leaks=True).line
    assert line.startswith("LEAKING: 4/2/4 utterances; disjoint: identical samples; shared: speaker (1 of 4), sentence")


def test_missing_speakers_cannot_be_shown_to_be_disjoint(splits):
    next(iter(splits["valid"].values()))["speaker"] = None
    with pytest.raises(SerError, match=r"1 utterances without speaker \(spk09_0: None\); .* cannot be shown"):
        audit(**splits)


@pytest.mark.parametrize("empty", ["train", "test"])
def test_an_empty_split_is_an_error(splits, empty):
    with pytest.raises(SerError, match=f"got: {empty}: 0 utterances"):
        audit(**{**splits, empty: {}})


class TestForeignManifests:
    """Files of somebody else's: no hashes, other fields."""

    @pytest.fixture
    def foreign(self, splits, tmp_path):
        rng = np.random.default_rng(0)
        for part in splits.values():
            for fields in part.values():
                del fields["sha256"], fields["audio_sha256"]
                path = fields["wav"].replace("{data_root}", str(tmp_path))
                soundfile.write(path, rng.uniform(-0.5, 0.5, 32000), 16000)
        return splits

    def write(self, splits, folder):
        for name, part in splits.items():
            (folder / f"{name}.json").write_text(json.dumps(part))
        return [folder / f"{name}.json" for name in splits]

    def test_without_files_the_audio_is_said_not_to_be_compared(self, foreign, tmp_path):
        found = audit_files(*self.write(foreign, tmp_path))
        assert found.line.endswith(
            "shared: sentence (2 of 3); identical samples not compared in 9 of 9 (no hash or file); "
            "near-duplicates not compared in 9 of 9 (no file, or too short)"
        )
        assert "identical" not in found.line.split("; ")[1]
        assert not found.audio_compared

    def test_files_are_hashed_and_compared_when_they_can_be_found(self, foreign, tmp_path):
        found = audit_files(*self.write(foreign, tmp_path), data_root=tmp_path)
        assert found.audio_compared
        assert "speaker (2/1/1), identical samples, near-duplicates (fingerprint);" in found.line

    @pytest.mark.parametrize("kind", ["sha256", "audio_sha256"])
    def test_a_hash_that_is_not_the_files_is_an_error(self, foreign, tmp_path, kind):
        foreign["valid"]["spk09_1"][kind] = "0" * 64
        with pytest.raises(SerError, match=rf"spk09_1: .*spk09_1\.wav: another file .* \({kind}\)"):
            audit_files(*self.write(foreign, tmp_path), data_root=tmp_path)

    @pytest.mark.parametrize("change", [lambda w: w * 0.5, lambda w: w[8000:24000], lambda w: w[1:]])
    def test_near_duplicates_are_caught_also_in_a_leaking_protocol_and_from_memory(self, foreign, tmp_path, change):
        samples, rate = soundfile.read(tmp_path / "spk03_0.wav")
        soundfile.write(tmp_path / "spk10_1.wav", change(samples), rate)
        paths = self.write(foreign, tmp_path)
        for memory in (None, tmp_path / "prints.npz", tmp_path / "prints.npz"):
            with pytest.raises(
                LeakageError, match=r"1 near-duplicates .*spk03_0 in train = spk10_1 in test, \d+ % alike"
            ):
                audit_files(*paths, data_root=tmp_path, memory=memory, disjoint=[], leaks=True)

    @pytest.mark.parametrize(("share", "told"), [(1.0, "100"), (0.5, "50"), (0.874, "87")])
    def test_how_much_of_near_duplicates_is_alike_is_told_in_percent(self, foreign, monkeypatch, share, told):
        pair = [foreign["train"]["spk03_0"]["wav"], foreign["test"]["spk10_1"]["wav"]]
        found = alike.NearDuplicates([(*pair, share)], frozenset())
        monkeypatch.setattr("ser_plugins.corpora.auditing.audio.near_duplicates", lambda *_: found)
        with pytest.raises(LeakageError, match=rf"spk03_0 in train = spk10_1 in test, {told} % alike"):
            audit(**foreign)

    def test_near_duplicates_inside_one_split_are_no_leak(self, foreign, tmp_path):
        samples, rate = soundfile.read(tmp_path / "spk03_0.wav")
        soundfile.write(tmp_path / "spk03_1.wav", samples * 0.5, rate)
        assert audit_files(*self.write(foreign, tmp_path), data_root=tmp_path).audio_compared

    def test_what_is_remembered_belongs_to_the_content(self, foreign, tmp_path, monkeypatch):
        paths, memory = self.write(foreign, tmp_path), tmp_path / "prints.npz"
        first = audit_files(*paths, data_root=tmp_path, memory=memory).line
        asked = []
        monkeypatch.setattr(alike, "_fingerprint", lambda path: asked.append(path.name) or np.zeros(0, np.uint32))
        assert audit_files(*paths, data_root=tmp_path, memory=memory).line == first
        assert asked == []
        soundfile.write(tmp_path / "spk10_1.wav", np.random.default_rng(9).uniform(-0.5, 0.5, 32000), 16000)
        audit_files(*paths, data_root=tmp_path, memory=memory)
        assert asked == ["spk10_1.wav"]
        memory.write_bytes(memory.read_bytes()[:-100])
        audit_files(*paths, data_root=tmp_path, memory=memory)
        assert len(asked) == 1 + 9

    def test_the_same_samples_under_another_header_are_caught(self, foreign, tmp_path):
        samples, rate = soundfile.read(tmp_path / "spk03_0.wav", dtype="int16")
        soundfile.write(tmp_path / "copy.flac", samples, rate)
        foreign["test"]["spk10_0"]["wav"] = "{data_root}/copy.flac"
        with pytest.raises(LeakageError, match=r"identical samples in train and test \(spk03_0 = spk10_0\)"):
            audit_files(*self.write(foreign, tmp_path), data_root=tmp_path)

    def test_by_default_every_group_that_occurs_is_checked(self, foreign, tmp_path):
        for part in foreign.values():
            for fields in part.values():
                fields["video"] = "v1"
        with pytest.raises(LeakageError, match="video v1 in train"):
            audit_files(*self.write(foreign, tmp_path))

    def test_without_any_group_nothing_can_be_shown(self, foreign, tmp_path):
        for part in foreign.values():
            for fields in part.values():
                fields["talker"] = fields.pop("speaker")
        paths = self.write(foreign, tmp_path)
        with pytest.raises(SerError, match=r"fields sentence, talker, wav; .*speaker, session, video.*--disjoint"):
            audit_files(*paths)
        assert "talker (2/1/1)" in audit_files(*paths, disjoint=["talker"]).line

    def test_what_speechbrain_calls_a_speaker_is_one(self, foreign, tmp_path):
        for part in foreign.values():
            for fields in part.values():
                fields["spk_id"] = fields.pop("speaker")
        paths = self.write(foreign, tmp_path)
        for disjoint in (None, ["speaker"], ["spk_id"]):
            assert "disjoint: speaker (2/1/1)" in audit_files(*paths, disjoint=disjoint).line

    @pytest.mark.parametrize("kind", ["csv", "tsv", "semicolons", "jsonl", "list"])
    def test_tables_and_json_lines_are_read_as_manifests(self, foreign, tmp_path, kind):
        paths, delimiter = [], {"csv": ",", "tsv": "\t", "semicolons": ";"}.get(kind)
        for name, part in foreign.items():
            records = [
                {"Path": fields["wav"].removeprefix("{data_root}/"), "SPK_ID": fields["speaker"]}
                for fields in part.values()
            ]
            if delimiter:
                text = "\r\n".join([delimiter.join(records[0]), *(delimiter.join(r.values()) for r in records)])
            elif kind == "jsonl":
                text = "\n".join(map(json.dumps, records))
            else:
                text = json.dumps(records)
            paths.append(tmp_path / f"{name}.{kind}")
            paths[-1].write_text(text, encoding="utf-8-sig" if kind == "csv" else "utf-8")
        line = audit_files(*paths).line
        assert line.startswith(
            "audit ok: 4/2/3 utterances; disjoint: speaker (2/1/1), identical samples, near-duplicates (fingerprint)"
        )
        wave, rate = soundfile.read(tmp_path / "spk03_0.wav")
        soundfile.write(tmp_path / "spk10_1.wav", wave * 0.5, rate)
        with pytest.raises(LeakageError, match=r"near-duplicates .*spk03_0\.wav in train = .*spk10_1\.wav in test"):
            audit_files(*paths)

    @pytest.mark.parametrize(
        "text", ["a,b\n1,2\n", "wav,speaker\nx.wav\n", "wav,speaker\n", "", "wav\nx.wav\nx.wav\n", '"wav', "{}\n{}\n"]
    )
    def test_what_is_no_list_of_recordings(self, foreign, tmp_path, text):
        train, valid, _ = self.write(foreign, tmp_path)
        (tmp_path / "x.csv").write_text(text)
        with pytest.raises(SerError, match=r"x\.csv"):
            audit_files(train, valid, tmp_path / "x.csv")

    def test_unreadable_manifests(self, foreign, tmp_path):
        train, valid, test = self.write(foreign, tmp_path)
        with pytest.raises(MissingPathError, match=r"no file .*nowhere\.json"):
            audit_files(train, valid, tmp_path / "nowhere.json")
        test.write_text("[1, 2]")
        with pytest.raises(SerError, match=r"test\.json: JSON of another shape; expected: a SpeechBrain manifest"):
            audit_files(train, valid, test)
