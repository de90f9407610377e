"""Laws of the auditor over generated corpora: a planted leak of each kind is found, a clean corpus is never accused."""

import copy
import json

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_plugins.corpora.audit import REPORTED, audit_lists
from ser_plugins.corpora.auditing.confounds import find_confounds
from ser_plugins.corpora.auditing.division import audit_division
from ser_plugins.corpora.auditing.page import notes, page, statement
from ser_plugins.corpora.lists.division import Division, Fold
from ser_plugins.corpora.lists.naming import Naming
from ser_plugins.corpora.lists.reading import Reader
from ser_plugins.errors import SerError

CLASSES = ("anger", "joy", "sadness")
KINDS = ("id", "speaker", "session", "path", "sha256", "spelling")


@st.composite
def corpora(draw):
    """A speaker-independent division: every speaker is tested once, nothing but sentences is shared."""
    speakers = draw(st.integers(3, 7))
    count = draw(st.integers(1, 6))
    folds = draw(st.integers(2, speakers))
    with_valid = draw(st.booleans()) and folds > 2
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    utterances = {
        f"u{speaker}_{number}": {
            "wav": f"wav/{speaker}/{number}.wav",
            "speaker": f"spk{speaker}",
            "session": f"session of {speaker}",
            "sentence": f"a{number % 3}",
            "label": str(rng.choice(CLASSES)),
            "duration": float(rng.gamma(4.0)),
            "sha256": f"{speaker} {number}",
            "audio_sha256": f"samples of {speaker} {number}",
        }
        for speaker in range(speakers)
        for number in range(count)
    }

    def of(chosen):
        return {id_: fields for id_, fields in utterances.items() if int(fields["speaker"][3:]) % folds in chosen}

    divided = []
    for fold in range(folds):
        valid = {(fold + 1) % folds} if with_valid else set()
        train = set(range(folds)) - valid - {fold}
        divided.append(Fold(f"fold{fold}", {"train": of(train), "valid": of(valid), "test": of({fold})}))
    return Division("generated", tuple(divided))


def audited(division):
    return audit_division(division, claimed=("speaker", "session"), reported=REPORTED, read_audio=False)


def plant(division, number, kind, one, other):
    """Put one thing of a part of a fold into another part of it, in an utterance that shares nothing else."""
    division = copy.deepcopy(division)
    fold = division.folds[number % len(division.folds)]
    source_id, source = next(iter(fold.parts[one].items()))
    stranger = {
        "wav": "new.wav",
        "speaker": "nobody",
        "session": "never",
        "label": "joy",
        "sha256": "0",
        "duration": 1.0,
    }
    taken = {
        "id": {},
        "speaker": {"speaker": source["speaker"]},
        "session": {"session": source["session"]},
        "path": {"wav": source["wav"]},
        "sha256": {"sha256": source["sha256"]},
        "spelling": {"speaker": source["speaker"].upper().replace("SPK", "SPK-0")},
    }[kind]
    fold.parts[other] = {**fold.parts[other], source_id if kind == "id" else "planted": {**stranger, **taken}}
    return fold.name, division


@given(corpora())
@settings(max_examples=40)
def test_a_clean_corpus_is_never_accused(division):
    found = audited(division)
    assert found.leaking == ()
    assert found.coverage.once
    assert not any(confound.predicts for confound in found.confounds)
    assert statement(found).startswith("audit ok: generated, ")
    assert "LEAKING" not in page(found)


@pytest.mark.parametrize("kind", KINDS)
@given(corpora(), st.integers(0, 9), st.sampled_from([("train", "test"), ("valid", "test"), ("train", "valid")]))
@settings(max_examples=12)
def test_a_planted_leak_is_found_in_its_fold_and_in_no_other(kind, division, number, parts):
    if not all(division.folds[0].parts[part] for part in parts):
        parts = ("train", "test")
    name, planted = plant(division, number, kind, *parts)
    found = audited(planted)
    assert found.leaking == (name,)
    called = {"path": "identical samples", "sha256": "identical samples", "spelling": "speaker"}.get(kind, kind)
    (fold,) = [fold for fold in found.folds if fold.leaking]
    assert [(leak.kind, leak.parts) for leak in fold.leaks] == [(called, parts)]
    assert statement(found).startswith("LEAKING: ")
    assert any(note.startswith(f"fold {name}: {called}") for note in notes(found))


@given(corpora(), st.integers(0, 9))
@settings(max_examples=12)
def test_an_utterance_that_is_tested_twice_or_never_is_told(division, number):
    index = number % len(division.folds)
    first, other = division.folds[index], division.folds[index - 1]
    again = {**first.parts["test"], **dict(list(other.parts["test"].items())[:1])}
    folds = list(division.folds)
    folds[index] = Fold(first.name, {**first.parts, "test": again})
    assert audited(Division("twice", tuple(folds))).coverage.times[2] == 1
    less = dict(list(first.parts["test"].items())[1:])
    folds[index] = Fold(first.name, {**first.parts, "test": less})
    coverage = audited(Division("never", tuple(folds))).coverage
    assert coverage.times[0] == 1
    assert not coverage.once


def answers_by_name(names, labels, train, test):
    """For each tested name the class with the largest share of its utterances in training."""
    answers = []
    for name in names[test]:
        shares = [np.mean(names[train][labels[train] == label] == name) for label in CLASSES]
        answers.append(CLASSES[int(np.argmax(shares))])
    return np.array(answers)


def uar(true, given):
    return np.mean([np.mean(given[true == label] == label) for label in sorted(set(true))])


class TestConfounds:
    """A label that metadata predict, in a corpus that is large enough to tell."""

    def division(self, seed=0, **changes):
        rng = np.random.default_rng(seed)
        labels = [CLASSES[i % 3] for i in range(240)]
        rng.shuffle(labels)
        entries = {
            f"u{i}": {
                "wav": f"a/{i % 5}/{i}.wav",
                "speaker": f"spk{i % 12}",
                "label": label,
                "duration": float(rng.gamma(4.0)),
                "sample_rate": int(rng.choice([16000, 44100])),
                "level": float(rng.normal(-25, 5)),
                **{field: change(i, label) for field, change in changes.items()},
            }
            for i, label in enumerate(labels)
        }
        folds = []
        for held in range(4):
            tested = {id_: f for id_, f in entries.items() if int(id_[1:]) % 12 % 4 == held}
            train = {id_: f for id_, f in entries.items() if id_ not in tested}
            folds.append(Fold(str(held), {"train": train, "valid": {}, "test": tested}))
        return Division("generated", tuple(folds))

    def predicting(self, division):
        found = audit_division(division, claimed=("speaker",), reported=REPORTED, read_audio=False)
        assert not found.leaking
        return [confound.column for confound in found.confounds if confound.predicts]

    @pytest.mark.parametrize("seed", range(5))
    def test_nothing_is_predicted_by_chance(self, seed):
        assert self.predicting(self.division(seed)) == []

    @pytest.mark.parametrize(
        ("column", "changes"),
        [
            ("duration", {"duration": lambda i, label: 1.0 + (label == "anger") + i / 1000}),
            ("sample rate", {"sample_rate": lambda i, label: 44100 if label == "joy" else 16000}),
            ("level", {"level": lambda i, label: -20.0 - 9 * (label == "sadness") - i % 7}),
            ("folder", {"wav": lambda i, label: f"{label}/{i}.wav"}),
        ],
    )
    def test_what_predicts_is_named(self, column, changes):
        division = self.division(**changes)
        assert self.predicting(division) == [column]
        found = audit_division(division, claimed=("speaker",), reported=REPORTED, read_audio=False)
        assert any(note.startswith(f"{column} alone predicts the label: UAR ") for note in notes(found))

    def test_a_speaker_who_plays_one_emotion_is_named(self):
        division = self.division(speaker=lambda i, label: f"{label[0]}{i % 4}")
        folds = tuple(
            Fold(f.name, {"train": f.parts["train"], "valid": {}, "test": f.parts["test"]}) for f in division.folds
        )
        found = audit_division(Division("x", folds), claimed=("speaker",), reported=REPORTED, read_audio=False)
        assert not found.leaking
        assert [confound.column for confound in found.confounds if confound.predicts] == ["speaker"]
        assert found.folds[0].single_class_speakers == ("a0", "j0", "s0")

    def test_chance_is_that_of_shuffled_labels(self):
        rng = np.random.default_rng(0)
        labels, names = rng.choice(CLASSES, 60, p=[0.5, 0.3, 0.2]), rng.choice(["a", "b", "c", "d"], 60)
        folds = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(20))]
        [found] = find_confounds(labels, {"folder": names}, folds)
        given = np.concatenate([answers_by_name(names, labels, train, test) for train, test in folds])
        scores = []
        for _ in range(500):
            shuffled = labels.copy()  # of the tested; what training says stays
            for _, test in folds:
                shuffled[test] = rng.permutation(labels[test])
            scores.append(uar(np.concatenate([shuffled[test] for _, test in folds]), given))
        assert found.chance == pytest.approx(np.mean(scores), abs=4 * found.deviation / np.sqrt(500))
        assert found.deviation == pytest.approx(np.std(scores), rel=0.15)

    def test_labels_that_are_numbers_are_no_classes(self):
        division = self.division(label=lambda i, label: str(i / 7))
        found = audit_division(division, claimed=("speaker",), reported=REPORTED, read_audio=False)
        assert found.confounds == ()
        assert found.remarks[-1] == "confounds not looked for: 240 labels, which are no classes"


def test_classes_on_one_side_are_named():
    def split(**labels):
        return {id_: {"speaker": id_, "label": label} for id_, label in labels.items()}

    parts = {"train": split(a="joy", b="fear"), "valid": {}, "test": split(c="joy", d="anger")}
    found = audited(Division("x", (Fold("f", parts),)))
    assert found.folds[0].only_in == {"train": ("fear",), "test": ("anger",)}
    assert "classes of test that are missing in train: fold f (anger)" in notes(found)


def test_two_spellings_in_one_part_count_as_one_and_are_told():
    def split(*speakers):
        return {name: {"speaker": name, "label": "joy"} for name in speakers}

    parts = {"train": split("spk01", "SPK1"), "valid": {}, "test": split("spk2")}
    found = audit_division(
        Division("x", (Fold("f", parts),)), claimed=("speaker",), reported=REPORTED, read_audio=False
    )
    assert not found.leaking
    assert found.folds[0].fields["speaker"].distinct == {"train": 1, "valid": 0, "test": 1}
    assert "speaker in two spellings, which count as one: 'spk01' = 'SPK1'" in found.remarks


class TestRecordings:
    @pytest.fixture
    def lists(self, tmp_path):
        rng = np.random.default_rng(0)
        paths = []
        for part, who in (("train", "anna"), ("test", "ben")):
            records = {}
            for number in range(3):
                soundfile.write(tmp_path / f"{who}{number}.wav", rng.uniform(-0.5, 0.5, 32000), 16000)
                records[f"{who}{number}"] = {"wav": f"{who}{number}.wav", "speaker": who, "emotion": CLASSES[number]}
            paths.append(tmp_path / f"{part}.json")
            paths[-1].write_text(json.dumps(records))
        return paths

    def test_recordings_are_compared_when_they_are_there_and_asked_for(self, lists):
        found = audit_lists(lists)
        assert found.leaking == ()
        assert "disjoint in speaker, identical samples, near-duplicates; 3 tested" in statement(found)
        assert {confound.column for confound in found.confounds} == {"level", "speaker"}
        assert "recordings not compared" in statement(audit_lists(lists, read_audio=False))

    @pytest.mark.parametrize(
        ("change", "kind"), [(lambda w: w, "identical samples"), (lambda w: w[8000:] / 2, "near-duplicates")]
    )
    def test_a_copy_of_a_training_recording_in_the_test_is_found(self, lists, tmp_path, change, kind):
        samples, rate = soundfile.read(tmp_path / "anna0.wav", dtype="float64")
        soundfile.write(tmp_path / "ben2.wav", change(samples), rate)
        found = audit_lists(lists)
        assert kind in {leak.kind for leak in found.folds[0].leaks}
        assert audit_lists(lists, read_audio=False).leaking == ()

    def test_utterances_without_a_speaker_show_nothing(self, lists):
        records = json.loads(lists[1].read_text())
        del records["ben1"]["speaker"]
        lists[1].write_text(json.dumps(records))
        with pytest.raises(SerError, match=r"1 utterances without speaker \(ben1: None\)"):
            audit_lists(lists)

    def test_the_division_has_the_same_digits_wherever_it_lies(self, lists, tmp_path):
        moved = tmp_path / "elsewhere"
        moved.mkdir()
        for path in lists:
            (moved / path.name).write_text(path.read_text())
        first, second = audit_lists(lists), audit_lists([moved / path.name for path in lists], reader=Reader())
        assert first.digest == second.digest
        for place in (tmp_path / "one", tmp_path / "two"):
            place.mkdir()
            for part, who in (("train", "anna"), ("test", "ben")):
                (place / f"{part}.txt").write_text(f"wav/{who}-1.wav\nwav/{who}-2.wav\n")
        by_name = [
            audit_lists([tmp_path / place], reader=Reader(naming=Naming.of(r"(\w+)-\d$"), data_root=root))
            for place, root in (("one", None), ("two", tmp_path / "elsewhere"), ("two", None))
        ]
        assert len({found.digest for found in by_name}) == 1
        assert first.digest != audit_lists([lists[1], lists[0]]).digest
