"""MOSI's and CH-SIMS' prepare: every quirk of the labels met, every count asserted, nothing dropped unsaid."""

import csv
import itertools
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from chsims_prepare import CHSIMS, prepare_chsims
from chsims_prepare import utterances as chsims_utterances
from hypothesis import given
from hypothesis import strategies as st
from mosi_prepare import FOLDS, MOSI, SPLIT_OF, prepare_mosi
from mosi_prepare import utterances as mosi_utterances

from ser_plugins.corpora.audit import LeakageError, audit_files
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.corpora.toy.sentiment import MOSI_VIDEOS, write_toy_chsims, write_toy_mosi
from ser_plugins.corpora.verify import SYNTHETIC_MARKER
from ser_plugins.errors import SerError
from ser_plugins.files import read_json
from ser_plugins.sound import ffmpeg as ffmpeg_room

PARTS = ("train", "valid", "test")
EMPTY = "2WGyTLYerpo_44"
PREPARE = {"mosi": prepare_mosi, "mmsa": prepare_mosi, "chsims": prepare_chsims}
LABELS = {"mosi": "OpinionLevelSentiment.csv", "mmsa": "label.csv", "chsims": "label.csv"}


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toys")
    return {
        "mosi": write_toy_mosi(folder / "mosi", videos=6, segments=2, syllables=1),
        "mmsa": write_toy_mosi(folder / "mmsa", videos=6, segments=2, syllables=1, layout="mmsa"),
        "chsims": write_toy_chsims(folder / "chsims", videos=5, clips=6, syllables=1),
    }


@pytest.fixture(params=PREPARE)
def kind(request):
    return request.param


@pytest.fixture
def own(toys, kind, tmp_path):
    """A copy to spoil, and no longer marked as synthetic, so that nothing is known of its files."""
    folder = Path(shutil.copytree(toys[kind], tmp_path / "Müllers Kopie"))
    (folder / SYNTHETIC_MARKER).unlink()
    return folder


@pytest.fixture
def uncounted(monkeypatch):
    """Small copies cannot have the published counts."""
    for corpus in (MOSI, CHSIMS):
        monkeypatch.setitem(vars(corpus), "counts", {})


def parts(folder, fold):
    return {part: read_manifest(folder / fold / f"{part}.json") for part in PARTS}


def test_the_standard_folds_are_52_10_and_31_videos_none_twice():
    assert [len(FOLDS[part]) for part in PARTS] == [52, 10, 31]
    assert len(SPLIT_OF) == 93
    assert MOSI_VIDEOS.items() <= SPLIT_OF.items()


OPTIONS = [
    *(("mosi", p, s) for p, s in [("standard", "valid"), ("standard", "last"), ("loo-video", "last")]),
    *(("mosi", p, s) for p, s in [("loo-video", "inner_speaker"), ("loo-each-video", "last")]),
    *(("chsims", p, s) for p, s in itertools.product(("official", "video-disjoint"), ("valid", "last"))),
]


@pytest.mark.parametrize(("corpus", "protocol", "select"), OPTIONS)
def test_every_fold_passes_the_audit(corpus, protocol, select, toys, tmp_path):
    said = PREPARE[corpus](toys[corpus], tmp_path, protocol=protocol, select=select)
    tested = Counter()
    for fold in said["folds"]:
        paths = [tmp_path / fold / f"{part}.json" for part in PARTS]
        audit_files(*paths, disjoint=said["disjoint"], leaks=said["leaks"])
        tested.update(list(read_manifest(paths[2])))
    assert set(tested.values()) == {1}
    if protocol.startswith("loo"):
        assert set(tested) == set(read_manifest(tmp_path / "corpus.json"))
    assert (said["task"], said["scale"], said["classes"]) == ("regression", corpus, [])
    assert (said["unit_field"], said["partial"]) == ("video", False)


def test_the_groups_of_loo_video_are_even_and_drawn_by_the_seed(toys, tmp_path):
    def tested(seed):
        said = prepare_mosi(toys["mosi"], tmp_path, protocol="loo-video", select="last", split_seed=seed)
        return [frozenset(parts(tmp_path, fold)["test"]) for fold in said["folds"]]

    assert {len(block) for block in tested(0)} == {2}
    assert tested(0) == tested(0)
    assert len(prepare_mosi(toys["mosi"], tmp_path, protocol="loo-each-video", select="last")["folds"]) == 6


def test_the_official_split_of_chsims_says_that_it_is_not_disjoint_and_the_audit_knows(toys, tmp_path):
    said = prepare_chsims(toys["chsims"], tmp_path)
    assert said["leaks"] is True
    assert "official split: 4 of 5 videos are in both train and test" in said["statements"]
    with pytest.raises(LeakageError, match="video video_0001"):
        audit_files(*(tmp_path / "official" / f"{part}.json" for part in PARTS), disjoint=["video"])
    assert not prepare_chsims(toys["chsims"], tmp_path / "own", protocol="video-disjoint")["leaks"]


def test_a_segment_is_described_whole(toys, tmp_path):
    prepare_mosi(toys["mosi"], tmp_path / "mosi")
    fields = read_manifest(tmp_path / "mosi" / "corpus.json")["_dI--eQ6qVU_1"]
    assert list(fields) == [
        "wav", "duration", "video", "split", "sentiment", "polarity", "transcript", "sha256", "audio_sha256",
    ]  # fmt: skip
    assert fields["wav"] == "{data_root}/Audio/WAV_16000/Segmented/_dI--eQ6qVU_1.wav"
    assert (fields["video"], fields["split"], fields["transcript"]) == ("_dI--eQ6qVU", "valid", None)
    whole = read_manifest(tmp_path / "mosi" / "corpus.json")
    assert whole["2WGyTLYerpo_2"]["transcript"] == "VIDEO 2WGyTLYerpo, WORD 2"

    prepare_mosi(toys["mmsa"], tmp_path / "mmsa")
    other = read_manifest(tmp_path / "mmsa" / "corpus.json")
    assert other["_dI--eQ6qVU_1"]["transcript"] == "VIDEO _dI--eQ6qVU, WORD 1"
    assert {id_: fields["sentiment"] for id_, fields in whole.items()} == {
        id_: fields["sentiment"] for id_, fields in other.items()
    }


def test_polarity_follows_the_sign(toys, tmp_path):
    prepare_mosi(toys["mosi"], tmp_path)
    signs = {-1: "negative", 0: "zero", 1: "positive"}
    for fields in read_manifest(tmp_path / "corpus.json").values():
        assert fields["polarity"] == signs[int(np.sign(fields["sentiment"]))]


def test_targets_of_chsims(toys, tmp_path):
    for target, field in {"label": "label_M", "label_A": "label_A"}.items():
        said = prepare_chsims(toys["chsims"], tmp_path, target=target)
        assert said["target"] == field
    fields = read_manifest(tmp_path / "corpus.json")["video_0001_0001"]
    with (toys["chsims"] / "label.csv").open(encoding="utf-8") as stream:
        row = next(csv.DictReader(stream))
    assert [fields[f"label_{m}"] for m in "MTAV"] == [float(row[c]) for c in ("label", "label_T", "label_A", "label_V")]
    assert fields["transcript"] == row["text"]
    with pytest.raises(SerError, match="got: target='A'; expected: one of label, label_T, label_A, label_V"):
        prepare_chsims(toys["chsims"], tmp_path, target="A")


def test_the_empty_segment_is_left_out_and_listed(toys, kind, tmp_path):
    said = PREPARE[kind](toys[kind], tmp_path)
    listed = read_json(tmp_path / "skipped.json")
    if kind == "chsims":
        assert (listed, said["statements"][1:]) == ({}, [])
    else:
        assert listed == {EMPTY: "of zero length in every copy"}
        assert said["statements"] == [f"1 utterances left out (of zero length in every copy): {EMPTY}"]
        assert EMPTY not in read_manifest(tmp_path / "corpus.json")


def test_chsims_without_a_header_is_the_same(toys, tmp_path):
    own = shutil.copytree(toys["chsims"], tmp_path / "own")
    lines = (own / "label.csv").read_bytes().split(b"\r\n", 1)[1]
    said = prepare_chsims(toys["chsims"], tmp_path / "a")
    for number, content in enumerate([lines, b"\xef\xbb\xbf" + lines, lines.replace(b"\r\n", b"\n")]):
        (own / "label.csv").write_bytes(content)
        assert prepare_chsims(own, tmp_path / f"b{number}")["corpus_sha256"] == said["corpus_sha256"]


def test_clip_numbers_that_a_spreadsheet_has_shortened(toys, tmp_path):
    own = shutil.copytree(toys["chsims"], tmp_path / "own")
    text = (own / "label.csv").read_text(encoding="utf-8")
    (own / "label.csv").write_text(text.replace(",000", ","), encoding="utf-8")
    assert (
        prepare_chsims(own, tmp_path / "a")["corpus_sha256"]
        == prepare_chsims(toys["chsims"], tmp_path / "b")["corpus_sha256"]
    )


def need_ffmpeg():
    try:
        ffmpeg_room.find_ffmpeg()
    except SerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    need_ffmpeg()
    folder = tmp_path_factory.mktemp("films") / "corpus"
    return write_toy_chsims(folder, videos=3, clips=4, media="mp4", syllables=1)


@pytest.mark.parametrize(("corpus", "form"), [("mosi", "stereo"), ("mosi", "mp4"), ("mmsa", "mp4"), ("chsims", "mp4")])
def test_videos_and_other_rates_are_converted_once(corpus, form, tmp_path, request):
    if form == "mp4":
        need_ffmpeg()
    if corpus == "chsims":
        folder = request.getfixturevalue("films")
    else:
        options = {"layout": {"mosi": "published"}.get(corpus, corpus), "media": form}
        folder = write_toy_mosi(tmp_path / "corpus", videos=3, segments=1, syllables=1, **options)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    PREPARE[corpus](folder, tmp_path / "out" / "a")
    manifest = read_manifest(tmp_path / "out" / "a" / "corpus.json")
    for fields in manifest.values():
        assert Path(fields["wav"]).is_relative_to(tmp_path / "out" / "audio")
        info = soundfile.info(fields["wav"])
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    cached = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "audio").rglob("*")}
    again = PREPARE[corpus](folder, tmp_path / "out" / "b")
    assert cached == {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "audio").rglob("*")}
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    moved = PREPARE[corpus](folder, tmp_path / "out" / "c", cache_folder=tmp_path / "elsewhere")
    assert moved["fingerprint"] == again["fingerprint"]


def test_wavs_of_the_same_names_stand_in_for_videos(films, tmp_path):
    folder = Path(shutil.copytree(films, tmp_path / "corpus"))
    for number, video in enumerate(folder.rglob("*.mp4")):
        soundfile.write(video.with_suffix(".wav"), 0.1 * np.sin(np.arange(3200) / (2 + number)), 16000)
        video.write_bytes(b"not needed")
    prepare_chsims(folder, tmp_path / "out" / "a")
    assert not list((tmp_path / "out" / "audio").rglob("*.wav"))


def test_bad_clips_are_all_told_in_one_message_after_the_others_are_done(films, tmp_path):
    folder = Path(shutil.copytree(films, tmp_path / "corpus"))
    bad = sorted(folder.rglob("*.mp4"))[:2]
    for path in bad:
        path.write_bytes(b"cut short")
    with pytest.raises(SerError, match=r"2 sources without usable audio: Raw/video_0001/0001.*conversion_report\.csv"):
        prepare_chsims(folder, tmp_path / "out" / "a")
    assert len(list((tmp_path / "out" / "audio").rglob("*.wav"))) == 10
    for path in bad:
        path.unlink()
    with pytest.raises(SerError, match=r"2 missing: Raw/video_0001/0001\.wav \(.*label\.csv, line 2\)"):
        prepare_chsims(folder, tmp_path / "out" / "a")
    said = prepare_chsims(folder, tmp_path / "out" / "a", allow_partial=True)
    assert "2 utterances left out (no recording): video_0001_0001, video_0001_0002" in said["statements"]


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut"])
def test_unusable_recordings_are_named_with_their_line(damage, own, kind, tmp_path, uncounted):
    wav = next(path for path in sorted(own.rglob("*.wav")) if "44" not in path.name)
    content = {"empty": b"", "text": b"404 not found", "cut": wav.read_bytes()[:200]}.get(damage)
    wav.unlink() if content is None else wav.write_bytes(content)
    with pytest.raises(SerError, match=rf"{wav.name}.*{LABELS[kind]}, line \d+"):
        PREPARE[kind](own, tmp_path / "out")
    assert not (tmp_path / "out" / "protocol.json").exists()


def edit(folder, kind, change):
    """Rewrite the first line of labels, ``change(cells) -> cells``; return its number."""
    path = folder / LABELS[kind]
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    place = 0 if kind == "mosi" else 1
    rows[place] = change(rows[place])
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return place + 1


@pytest.mark.parametrize("label", ["3.2", "-3.01", "", "nan", "inf", "good", "0,2"])
def test_a_label_that_is_none_is_named_with_its_line(label, own, kind, tmp_path):
    column = {"mosi": 4, "mmsa": 3, "chsims": 3}[kind]
    line = edit(own, kind, lambda cells: [*cells[:column], label, *cells[column + 1 :]])
    with pytest.raises(SerError, match=rf"{LABELS[kind]}, line {line}: label is .*expected: a number from -"):
        PREPARE[kind](own, tmp_path / "out")


def test_the_same_utterance_twice_is_an_error_that_names_both_lines(own, kind, tmp_path):
    path = own / LABELS[kind]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[-1]]))
    with pytest.raises(SerError, match=rf"twice: .*line {len(lines)} and .*line {len(lines) + 1}"):
        PREPARE[kind](own, tmp_path / "out")


def test_a_video_that_mosi_does_not_have(own, kind, tmp_path):
    if kind == "chsims":
        pytest.skip("its videos are only counted")
    column = 2 if kind == "mosi" else 0
    edit(own, kind, lambda cells: [*cells[:column], "2wGyTLYerpo", *cells[column + 1 :]])
    with pytest.raises(SerError, match="is '2wGyTLYerpo'; expected: one of the 93 videos of CMU-MOSI"):
        prepare_mosi(own, tmp_path / "out")


def test_a_mode_that_contradicts_the_standard_folds(toys, tmp_path):
    own = shutil.copytree(toys["mmsa"], tmp_path / "own")
    edit(own, "mmsa", lambda cells: [*cells[:2], "test", *cells[3:]])
    with pytest.raises(SerError, match="line 2: mode is 'test'; expected: train, as the standard folds have"):
        prepare_mosi(own, tmp_path / "out")


def test_nothing_there(tmp_path):
    (tmp_path / "mosi" / "x").mkdir(parents=True)
    with pytest.raises(SerError, match=r"expected: OpinionLevelSentiment\.csv or .* or label\.csv"):
        prepare_mosi(tmp_path / "mosi", tmp_path / "out")
    with pytest.raises(SerError, match=r"recipes/CHSIMS/README\.md says how"):
        prepare_chsims(tmp_path / "none", tmp_path / "out")


@given(data=st.data())
@pytest.mark.parametrize("kind", list(PREPARE))
def test_whatever_stands_in_a_cell_no_label_is_lost_unsaid(kind, data, toys, tmp_path_factory):
    text = (toys[kind] / LABELS[kind]).read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    labels = len(rows) - (kind != "mosi")
    place = data.draw(st.integers(len(rows) - labels, len(rows) - 1))
    column = data.draw(st.integers(0, len(rows[0]) - 1))
    rows[place][column] = data.draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8))
    folder = tmp_path_factory.getbasetemp() / f"any {kind}"
    folder.mkdir(exist_ok=True)
    with (folder / LABELS[kind]).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    try:
        found = list((chsims_utterances if kind == "chsims" else mosi_utterances)(folder))
    except SerError as error:
        assert f"{LABELS[kind]}, line " in error.got  # noqa: PT017 (either outcome is right)
    else:
        assert len(found) == labels
        assert all(-3 <= utterance.fields[corpus_of(kind).target] <= 3 for utterance in found)


def corpus_of(kind):
    return CHSIMS if kind == "chsims" else MOSI


# Genuine counts, from label files that are generated with the published numbers.


def write_wavs(folder, stems):
    rng = np.random.default_rng(0)
    for stem in stems:
        path = folder / f"{stem}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.uniform(-0.1, 0.1, 800), 16000)


def deal(sizes):
    """``{name: many}`` -> one list, in which each name is that many times."""
    return [name for name, many in sizes.items() for _ in range(many)]


@pytest.fixture(scope="module")
def genuine_mosi(tmp_path_factory):
    """2199 rows of 93 videos: 1284 / 229 / 686 of them; 1023 negative, 96 zero, 1080 positive."""
    folder = tmp_path_factory.mktemp("genuine") / "mosi"
    segments = []
    for part, many in {"train": 1284, "valid": 229, "test": 686}.items():
        videos = FOLDS[part]
        segments += [(videos[place % len(videos)], 1 + place // len(videos)) for place in range(many)]
    # In the real one the empty segment is number 44; here every video has fewer, so that one is renumbered.
    segments[segments.index(("2WGyTLYerpo", 1))] = ("2WGyTLYerpo", 44)
    segments.sort(key=lambda segment: segment != ("2WGyTLYerpo", 44))
    labels = deal({0.2: 1080, -1.4: 1023, 0.0: 96})  # the empty one is positive
    rows = [
        f"1.5,{1.5 + (place > 0)},{v},{n},{y}" for place, ((v, n), y) in enumerate(zip(segments, labels, strict=True))
    ]
    folder.mkdir()
    (folder / "OpinionLevelSentiment.csv").write_bytes("".join(f"{row}\r\n" for row in rows).encode())
    write_wavs(folder, [f"Audio/WAV_16000/Segmented/{video}_{number}" for video, number in segments[1:]])
    return folder


@pytest.fixture(scope="module")
def genuine_chsims(tmp_path_factory):
    """2281 clips of 60 videos: 1368 / 456 / 457; one video is not tested."""
    folder = tmp_path_factory.mktemp("genuine") / "chsims"
    modes = deal({"train": 1368, "valid": 456, "test": 457})
    clips = [(f"video_{1 + place % (60 - (mode == 'test')):04d}", mode) for place, mode in enumerate(modes)]
    clips = [(video, f"{place:04d}", mode) for place, (video, mode) in enumerate(clips, start=1)]
    folder.mkdir()
    rows = [
        f"{video},{clip},文,0.{place % 6},-0.2,1.0,-1.0,Neutral,{mode}"
        for place, (video, clip, mode) in enumerate(clips)
    ]
    (folder / "label.csv").write_text("\n".join(rows), encoding="utf-8")
    write_wavs(folder, [f"Raw/{video}/{clip}" for video, clip, _ in clips])
    return folder


def test_a_genuine_mosi(genuine_mosi, tmp_path):
    said = prepare_mosi(genuine_mosi, tmp_path / "m")
    assert [len(manifest) for manifest in parts(tmp_path / "m", "standard").values()] == [1283, 229, 686]
    assert (said["utterances"], said["partial"], said["corpus"]) == (2198, False, "MOSI")
    folds = prepare_mosi(genuine_mosi, tmp_path / "m", protocol="loo-video", select="last")["folds"]
    tested = [parts(tmp_path / "m", fold)["test"] for fold in folds]
    assert sum(map(len, tested)) == 2198
    assert all(200 < len(manifest) < 250 for manifest in tested)
    assert sum(len({fields["video"] for fields in manifest.values()}) for manifest in tested) == 93


def test_a_genuine_chsims(genuine_chsims, tmp_path):
    said = prepare_chsims(genuine_chsims, tmp_path / "m")
    assert [len(manifest) for manifest in parts(tmp_path / "m", "official").values()] == [1368, 456, 457]
    assert said["statements"] == ["official split: 59 of 60 videos are in both train and test"]
    said = prepare_chsims(genuine_chsims, tmp_path / "m", protocol="video-disjoint")
    sizes = [len(manifest) for manifest in parts(tmp_path / "m", "video-disjoint").values()]
    assert sizes == pytest.approx([1368, 456, 457], abs=40)
    assert said["statements"] == []


def test_a_copy_that_lacks_labels_or_recordings(own, kind, toys, tmp_path, monkeypatch):
    """Of a corpus whose published counts are those of the toy."""
    PREPARE[kind](toys[kind], tmp_path / "whole")
    counts = Counter(fields["split"] for fields in read_manifest(tmp_path / "whole" / "corpus.json").values())
    monkeypatch.setitem(vars(corpus_of(kind)), "counts", {"split": dict(counts)})
    whole = PREPARE[kind](own, tmp_path / "m")
    assert whole["partial"] is False

    labels = own / LABELS[kind]
    lines = labels.read_bytes().splitlines(keepends=True)
    labels.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(SerError, match=r"split train: \d+ utterances") as refused:  # the toys' last one is of that part
        PREPARE[kind](own, tmp_path / "m")
    many = counts["train"]
    assert str(refused.value).startswith(f"got: split train: {many - 1} utterances; expected: split train: {many}")
    said = PREPARE[kind](own, tmp_path / "m", allow_partial=True)
    assert said["partial"] is True
    assert said["statements"][0].startswith("partial copy: ")

    labels.write_bytes(b"".join(lines))
    gone = next(path for path in own.rglob("*.wav") if path.stem != EMPTY)
    gone.unlink()
    with pytest.raises(SerError, match=rf"1 missing: .*{gone.name} \(.*line \d+\)"):
        PREPARE[kind](own, tmp_path / "m")
    said = PREPARE[kind](own, tmp_path / "m", allow_partial=True)
    assert said["partial"] is True
