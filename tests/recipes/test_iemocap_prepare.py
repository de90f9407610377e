"""IEMOCAP's prepare: every quirk of the label files, the published counts, partial copies."""

import dataclasses
import random
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import iemocap_prepare as recipe
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from ser_plugins.corpora import corpus as reading
from ser_plugins.corpora.audit import audit_files
from ser_plugins.corpora.manifest import Sound, read_manifest
from ser_plugins.corpora.toy.iemocap import write_toy_iemocap
from ser_plugins.errors import MissingPathError, SerError

prepare = recipe.prepare_iemocap
WHOLE = 3 * 2 * 2 * 6 + 5 + 5 + 4  # sessions x dialogues x actors x labels, and the rare ones


@pytest.fixture
def own(toy_iemocap, tmp_path):
    """A copy to spoil; without its marker it passes for a partial copy of the real corpus."""
    folder = Path(shutil.copytree(toy_iemocap, tmp_path / "iemocap"))
    (folder / "synthetic_corpus.json").unlink()
    return folder


class TestManifests:
    @pytest.mark.parametrize("unit", recipe.UNITS)
    @pytest.mark.parametrize("select", ["last", "inner_speaker"])
    def test_every_fold_passes_the_audit_and_every_utterance_is_tested_once(self, toy_iemocap, tmp_path, unit, select):
        said = prepare(toy_iemocap, tmp_path, unit=unit, select=select)
        tested = Counter()
        for fold in said["folds"]:
            paths = [tmp_path / fold / f"{part}.json" for part in ("train", "valid", "test")]
            audit_files(*paths, disjoint=said["disjoint"])
            tested.update(list(read_manifest(paths[2])))
        assert set(tested.values()) == {1}
        assert len(tested) == said["utterances"] == 3 * 2 * 2 * 5  # ang, hap, exc, neu, sad
        assert len(said["folds"]) == (3 if unit == "session" else 6)
        assert said["unit_field"] == ("session" if unit == "session" else "speaker")
        assert said["corpus"] == "IEMOCAP (synthetic)"

    def test_the_scene_partner_trains_only_when_asked(self, toy_iemocap, tmp_path):
        for unit, partners in (("speaker", 0), ("speaker_keep_partner", 1)):
            said = prepare(toy_iemocap, tmp_path / unit, unit=unit)
            speakers = {
                fields["speaker"] for fields in read_manifest(tmp_path / unit / "Ses01F" / "train.json").values()
            }
            assert len(speakers & {"Ses01M"}) == partners
            assert bool(said["statements"]) == bool(partners)

    def test_what_the_tested_speaker_says_is_kept_out_of_training(self, own, tmp_path):
        for path in own.glob("Session*/dialog/transcriptions/Ses*.txt"):
            # Each line is then one dialogue's, but for the first two, which all of them have.
            lines = path.read_text().splitlines()
            path.write_text("\n".join(line if " 0, " in line else line.replace("isn't", path.stem) for line in lines))
        said = prepare(own, tmp_path / "m", unit="text-disjoint", allow_partial=True)
        assert said["disjoint"] == ["speaker", "session", "words"]
        train, test = (read_manifest(tmp_path / "m" / "Ses01F" / f"{part}.json") for part in ("train", "test"))
        assert not {fields["words"] for fields in train.values()} & {fields["words"] for fields in test.values()}
        prepare(own, tmp_path / "n", allow_partial=True)
        loso = read_manifest(tmp_path / "n" / "Ses01F" / "train.json")
        assert {fields["transcript"] for id_, fields in loso.items() if id_ not in train} == {"neu 0, isn't it?"}

    def test_an_utterance_is_described_whole(self, toy_iemocap, tmp_path):
        prepare(toy_iemocap, tmp_path)
        manifest = read_manifest(tmp_path / "corpus.json")
        fields = manifest["Ses01M_script01_1b_F002"]
        assert fields["wav"] == "{data_root}/Session1/sentences/wav/Ses01M_script01_1b/Ses01M_script01_1b_F002.wav"
        # The last token says who speaks, the first who wore the markers.
        assert (fields["speaker"], fields["session"], fields["gender"]) == ("Ses01F", "Ses01", "female")
        assert (fields["kind"], fields["script"], fields["label"]) == ("scripted", "script01_1b", "sad")
        assert fields["transcript"] == "sad 4, isn't it?"
        assert not [id_ for id_ in manifest if "XX" in id_]
        blank = manifest["Ses01F_impro01_F000"]["dominance"]
        assert 0 <= blank <= 2.5  # one of two votes counts as 0

    @pytest.mark.parametrize(
        ("protocol", "kinds", "happy"),
        [
            ("4class-5531", {"improvised", "scripted"}, {"hap", "exc"}),
            ("4class-4490", {"improvised", "scripted"}, {"hap"}),
            ("4class-impro2943", {"improvised"}, {"hap", "exc"}),
            ("4class-impro2280", {"improvised"}, {"hap"}),
        ],
    )
    def test_the_class_protocols_keep_what_they_are_named_for(self, toy_iemocap, tmp_path, protocol, kinds, happy):
        said = prepare(toy_iemocap, tmp_path, protocol=protocol, unit="session")
        tested = [fields for fold in said["folds"] for fields in read_manifest(tmp_path / fold / "test.json").values()]
        assert {fields["kind"] for fields in tested} == kinds
        assert {fields["label"] for fields in tested if fields["emotion"] == "happiness"} == happy
        assert {fields["emotion"] for fields in tested} == set(said["classes"])

    @pytest.mark.parametrize("target", recipe.DIMENSIONS)
    def test_dimensions_are_numbers_kept_as_published(self, toy_iemocap, tmp_path, target):
        said = prepare(toy_iemocap, tmp_path, protocol="all-10039", target=target)
        assert (said["task"], said["scale"], said["classes"], said["target"]) == ("regression", "vad", [], target)
        assert said["utterances"] == WHOLE
        assert "a blank dominance counts as 0" in said["statements"][0]


@pytest.fixture(scope="module")
def genuine(tmp_path_factory):
    """10 039 label lines with all the published counts, of speakers, classes and kinds; no recordings."""
    improvised = {"ang": 289, "hap": 284, "exc": 663, "neu": 1099, "sad": 608}
    pool = {True: [], False: []}  # one of the four classes or not: (label, improvised)
    for label, count in recipe.LABELS.items():
        pool[label in recipe.CLASSES] += [(label, place < improvised.get(label, 0)) for place in range(count)]
    for items in pool.values():
        random.Random(0).shuffle(items)
    used = recipe.PROTOCOLS["4class-5531"]["counts"]["speaker"]
    dialogues = defaultdict(list)
    for speaker, total in recipe.IEMOCAP.counts["speaker"].items():
        mine = [pool[True].pop() for _ in range(used[speaker])]
        mine += [pool[False].pop() for _ in range(total - len(mine))]
        for number, (label, impro) in enumerate(mine):
            name = f"{speaker[:5]}F_{'impro05a' if impro else 'script01_1b'}"
            dialogues[name].append(
                f"[6.2901 - 8.2357]\t{name}_{speaker[-1]}{number:04d}\t{label}\t[2.5000, 0.5000, 5.5000]"
            )
    folder = tmp_path_factory.mktemp("genuine")
    for name, lines in dialogues.items():
        path = folder / f"Session{name[4]}" / "dialog" / "EmoEvaluation" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def _sounds(monkeypatch):
    """Every recording is there."""

    def measure(folder, names, memory):
        return {name: Sound(name, 44, 16000, 1, 1.5, name) for name in names}

    monkeypatch.setattr(reading, "measure_remembered", measure)


@pytest.mark.usefixtures("_sounds")
class TestCounts:
    @pytest.mark.parametrize("protocol", recipe.PROTOCOLS)
    def test_the_published_counts_are_met(self, genuine, tmp_path, protocol):
        rules = dataclasses.replace(recipe.UNITS["session"], **recipe.PROTOCOLS[protocol])
        found = reading.read_corpus(recipe.IEMOCAP, genuine, tmp_path / "measured.json")
        used = rules.take(found.manifest)
        assert reading.verify_counts(used, rules.counts, remedy="") == found.lacking == ""
        assert len(used) == int(protocol.removeprefix("4class-").removeprefix("impro").removeprefix("all-"))

    def test_one_utterance_less_is_refused_and_named(self, genuine, tmp_path):
        folder = shutil.copytree(genuine, tmp_path / "less")
        path = folder / "Session3/dialog/EmoEvaluation/Ses03F_impro05a.txt"
        path.write_text(path.read_text().split("\n", 1)[1])
        with pytest.raises(
            SerError, match=r"session Ses03: 2135 utterances; expected: session Ses03: 2136; remedy: .*partial"
        ):
            prepare(folder, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_one_session_works_when_asked_for_and_says_so(self, genuine, tmp_path):
        folder = tmp_path / "part"
        shutil.copytree(genuine / "Session1", folder / "Session1")
        with pytest.raises(SerError, match="Ses02: 0 utterances"):
            prepare(folder, tmp_path / "out")
        said = prepare(folder, tmp_path / "out", allow_partial=True)
        assert said["partial"]
        assert said["folds"] == ["Ses01F", "Ses01M"]
        assert said["statements"] == [
            "partial copy: 1819 of 10039 utterances, without session Ses02, Ses03, Ses04, Ses05",
            "one session only: training is the test speaker's scene partner",
        ]

    def test_more_than_published_is_never_a_partial_copy(self, genuine, tmp_path):
        folder = shutil.copytree(genuine, tmp_path / "more")
        path = folder / "Session1/dialog/EmoEvaluation/Ses01F_impro05a.txt"
        path.write_text(path.read_text() + "[1.0 - 2.0]\tSes01F_impro05a_F9999\tneu\t[2.5000, 2.5000, 2.5000]\n")
        with pytest.raises(SerError, match="Ses01: 1820 utterances"):
            prepare(folder, tmp_path / "out", allow_partial=True)


HEAD = "[6.2901 - 8.2357]\tSes01F_impro05a_F000\tneu\t[2.5000, 2.5000, 2.5000]"
NOISE = (
    "",
    "% [START_TIME - END_TIME] TURN_NAME",
    "C-E2:\tNeutral;\t()",
    "A-E3:\tval 3; act 2; dom  ;\t()",
    "C-F1:\t\t(bö)",
)


def parse(root, content: bytes):
    path = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro05a.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return list(recipe.utterances(root))


class TestLabelFiles:
    @given(
        turns=st.lists(
            st.tuples(st.sampled_from("FM"), st.sampled_from(list(recipe.LABELS)), st.sampled_from(NOISE)), min_size=1
        ),
        end=st.sampled_from(["\n", "\r\n", "\r"]),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "latin-1"]),
    )
    def test_every_header_line_is_read_whatever_surrounds_it(self, tmp_path_factory, turns, end, encoding):
        lines = []
        for number, (actor, label, noise) in enumerate(turns):
            lines += [noise, HEAD.replace("F000", f"{actor}{number:03d}").replace("neu", label)]
        found = parse(tmp_path_factory.mktemp("labels"), end.join(lines).encode(encoding))
        assert [(u.fields["speaker"], u.fields["label"]) for u in found] == [
            (f"Ses01{a}", label) for a, label, _ in turns
        ]
        assert [u.source.rsplit(" ", 1)[1] for u in found] == [str(2 * place + 2) for place in range(len(turns))]

    @given(cut=st.integers(1, len(HEAD) - 1))
    def test_a_truncated_line_is_an_error_that_names_it(self, tmp_path_factory, cut):
        with pytest.raises(SerError, match=r"Ses01F_impro05a\.txt, line 2: "):
            parse(tmp_path_factory.mktemp("labels"), f"{HEAD}\n{HEAD[:cut]}\n".encode())

    @given(content=st.binary(max_size=60))
    def test_anything_else_is_an_error_and_never_nothing(self, tmp_path_factory, content):
        with pytest.raises(SerError):
            parse(tmp_path_factory.mktemp("labels"), content)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("\tneu\t", "\thappy\t"),
            ("Ses01F_impro05a_F000", "Ses02F_impro05a_F000"),
            ("Ses01F_impro05a_F000", "Ses01F_impro05a_X000"),
            ("Ses01F_impro05a_F000", "Ses01F_impro05a"),
            ("2.5000]", "7.5000]"),
            (", 2.5000]", "]"),
            ("2.5000]", "nan]"),
            ("\tneu", " neu"),
            ("[6.2901", "6.2901"),
        ],
    )
    def test_a_wrong_line_is_an_error_that_says_what_is_right(self, tmp_path, old, new):
        with pytest.raises(
            SerError, match=r"line 1: .* expected: \[start - end\], Ses01F_impro05a_F000 .*xxx, fru, neu"
        ):
            parse(tmp_path, HEAD.replace(old, new, 1).encode())

    def test_other_encodings(self, tmp_path):
        with pytest.raises(SerError, match=r"Ses01F_impro05a\.txt: zero bytes"):
            parse(tmp_path, HEAD.encode("utf-16"))

    def test_an_id_twice_names_both_lines(self, own, tmp_path):
        path = own / "Session2/dialog/EmoEvaluation/Ses02F_impro01.txt"
        path.write_text(path.read_text() + path.read_text())
        with pytest.raises(
            SerError, match=r"the id Ses02F_impro01_F000 twice: .*impro01\.txt, line 3 and .*, line \d\d\d"
        ):
            prepare(own, tmp_path / "out")

    def test_transcripts_are_optional_but_not_damaged(self, own, tmp_path):
        path = own / "Session1/dialog/transcriptions/Ses01F_impro01.txt"
        path.write_text(
            "Ses01F_impro01_F000 [006.2901-008.2901]: Yes.\nSes01F_impro01_F000 [009.0-010.0]: No.\nM: Hm.\n"
        )
        texts = recipe.transcripts(path)
        assert texts == {"Ses01F_impro01_F000": "Yes. No."}
        path.write_text("\nSes01F_impro01_F000 [006.29")
        with pytest.raises(SerError, match=r"transcriptions/Ses01F_impro01\.txt, line 2"):
            list(recipe.utterances(own))
        path.unlink()
        assert {u.fields["transcript"] for u in recipe.utterances(own) if u.id.startswith("Ses01F_impro01")} == {None}


class TestRecordings:
    def test_missing_empty_and_corrupt_ones_are_named_together_with_their_lines(self, own, tmp_path):
        wavs = sorted((own / "Session1/sentences/wav/Ses01F_impro01").glob("*.wav"))
        wavs[0].unlink()
        wavs[1].write_bytes(b"")
        wavs[2].write_bytes(b"RIFF and nothing else")
        soundfile.write(wavs[3], np.zeros(0), 16000)
        with pytest.raises(SerError) as caught:
            prepare(own, tmp_path / "out")
        assert (
            "1 missing: Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav (Session1/dialog/EmoEval"
            in str(caught.value)
        )
        assert "impro01.txt, line 3)" in str(caught.value)
        assert "3 unusable: " in str(caught.value)
        assert "0 samples" in str(caught.value)

    def test_a_partial_copy_lists_what_has_no_recording(self, own, tmp_path):
        missing = sorted((own / "Session1/sentences/wav/Ses01F_impro01").glob("*F00[01].wav"))
        for path in missing:
            path.unlink()
        said = prepare(own, tmp_path / "out", allow_partial=True)
        assert "of 10039 utterances, without session Ses04, Ses05" in said["statements"][0]
        assert said["statements"][1] == (
            "2 utterances left out (no recording): Ses01F_impro01_F000, Ses01F_impro01_F001"
        )
        assert read_manifest(tmp_path / "out" / "corpus.json").keys().isdisjoint({path.stem for path in missing})
        assert (tmp_path / "out" / "skipped.json").read_text().count("no recording") == 2

    def test_another_format_is_refused(self, own, tmp_path):
        path = next(own.rglob("*M002.wav"))
        soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, (4410, 2)), 44100)
        with pytest.raises(
            SerError, match=r"1 of \d+ wav files .* 44100 Hz with 2 channel\(s\).* expected: 16000 Hz mono"
        ):
            prepare(own, tmp_path / "out", allow_partial=True)

    def test_what_did_not_change_is_not_read_again(self, own, tmp_path, monkeypatch):
        from ser_plugins.corpora import sounds

        read = []
        monkeypatch.setattr(
            sounds, "_examine", lambda path, examine=sounds._examine: read.append(path) or examine(path)
        )
        said = prepare(own, tmp_path / "out", allow_partial=True)
        assert len(read) == WHOLE
        read.clear()
        assert prepare(own, tmp_path / "out", allow_partial=True) == said
        assert read == []
        changed = next(own.rglob("*F003.wav"))
        soundfile.write(changed, np.random.default_rng(0).uniform(-0.1, 0.1, 8000), 16000)
        again = prepare(own, tmp_path / "out", allow_partial=True)
        assert read == [changed]
        assert again["corpus_sha256"] != said["corpus_sha256"]
        (tmp_path / "out" / "measured.json").write_text('{"damaged": 3}')
        assert prepare(own, tmp_path / "out", allow_partial=True) == again


class TestBadInputs:
    def test_the_folder(self, tmp_path):
        with pytest.raises(MissingPathError, match=r"nothing at data_folder=.*iemocap; .*ask for the corpus at https"):
            prepare(tmp_path / "iemocap", tmp_path / "out")
        (tmp_path / "IEMOCAP_full_release" / "Session1").mkdir(parents=True)
        with pytest.raises(
            MissingPathError, match=r"no Session1/dialog/EmoEvaluation/\*\.txt in .*Session1 to Session5"
        ):
            prepare(tmp_path, tmp_path / "out")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"protocol": "4class"}, "protocol='4class'; expected: one of 4class-5531, 4class-4490"),
            ({"unit": "dyad"}, "unit='dyad'; expected: one of speaker, speaker_keep_partner, session"),
            ({"target": "arousal"}, "target='arousal'; expected: one of emotion, valence, activation, dominance"),
            ({"target": "valence", "subset": "balanced50"}, "subset='balanced50'; expected: one of full;"),
            ({"protocol": "all-10039"}, r"\d+ utterances with another emotion: .* expected: one of anger, happiness"),
        ],
    )
    def test_unknown_options(self, toy_iemocap, tmp_path, options, message):
        with pytest.raises(SerError, match=message):
            prepare(toy_iemocap, tmp_path / "out", **options)

    def test_a_synthetic_corpus_is_verified_by_its_marker(self, toy_iemocap, tmp_path):
        folder = shutil.copytree(toy_iemocap, tmp_path / "copy")
        next(folder.rglob("*F001.wav")).unlink()
        with pytest.raises(SerError, match="1 missing: Session"):
            prepare(folder, tmp_path / "out")


def test_the_same_seed_writes_the_same_corpus(tmp_path):
    one, other = (write_toy_iemocap(tmp_path / name, sessions=1, dialogues=1, syllables=1) for name in ("a", "b"))
    for path in (path for path in one.rglob("*") if path.is_file()):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()
    with pytest.raises(SerError, match="sessions=6; expected: 1 to 5"):
        write_toy_iemocap(tmp_path / "c", sessions=6)
