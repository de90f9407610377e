"""Any CSV is a corpus: tolerant of what is harmless, and clear about the rest."""

import os
import re
import shutil
from pathlib import PureWindowsPath

import numpy as np
import pytest
import soundfile
from csv_prepare import prepare_csv
from csv_table import fold_name, is_number, read_table
from hypothesis import given
from hypothesis import strategies as st

from ser_plugins.corpora.audit import audit_files
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.errors import SerError


def write_wav(path, seed=None, rate=16000, channels=1, seconds=0.2, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed if seed is not None else list(str(path).encode()))
    soundfile.write(path, rng.uniform(-0.1, 0.1, (int(seconds * rate), channels)), rate, **options)


HEADER = "wav,label,speaker,session,sentence,split"


@pytest.fixture
def folder(tmp_path):
    """Four speakers, two labels, two sentences: sixteen recordings and a CSV."""
    folder, rows = tmp_path / "corpus", [HEADER]
    for number, speaker in enumerate(["anna", "ben", "03", "Jürgen M."]):
        for label in ("joy", "no joy"):
            for sentence in "ab":
                name = f"{number}/{label[:2]}{sentence}.wav"
                write_wav(folder / name)
                split = "test" if number == 3 else "Dev" if number == 2 else "train"
                rows.append(f"{name},{label},{speaker},s{number // 2},{sentence},{split}")
    (folder / "my.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def prepare(folder, **options):
    options = {"cache_folder": folder.parent / "audio", **options}
    return prepare_csv(folder / "my.csv", folder.parent / "out", **options)


def change(folder, old, new, times=1):
    text = (folder / "my.csv").read_text(encoding="utf-8")
    assert old in text
    (folder / "my.csv").write_text(text.replace(old, new, times), encoding="utf-8")


class TestManifests:
    @pytest.mark.parametrize(
        ("protocol", "folds"),
        [("loso", 4), ("loso-sentence", 8), ("loso-session", 4), ("session", 2), ("split", 1), ("random", 8)],
    )
    def test_every_protocol_that_the_columns_allow_passes_the_audit(self, folder, protocol, folds):
        said = prepare(folder, protocol=protocol)
        assert (len(said["folds"]), said["classes"], said["corpus"]) == (folds, ["joy", "no joy"], "my.csv")
        for fold in said["folds"]:
            paths = [folder.parent / "out" / fold / f"{part}.json" for part in ("train", "valid", "test")]
            audit_files(*paths, disjoint=said["disjoint"], leaks=said["leaks"])

    def test_a_protocol_needs_its_column(self, folder):
        change(folder, "session,sentence,split", "x,y,z")
        for protocol in ("loso-sentence", "loso-session", "session", "split"):
            with pytest.raises(SerError, match=f"protocol='{protocol}'; expected: one of loso, random, all;"):
                prepare(folder, protocol=protocol)

    def test_the_split_of_the_csv_is_taken_as_it_is(self, folder):
        said = prepare(folder, protocol="split", select="valid")
        sizes = [
            len(read_manifest(folder.parent / "out/split" / f"{part}.json")) for part in ("train", "valid", "test")
        ]
        assert (sizes, said["folds"], said["selection"]) == ([8, 4, 4], ["split"], "valid")
        with pytest.raises(SerError, match="select='inner_speaker'; expected: one of last, valid"):
            prepare(folder, protocol="split", select="inner_speaker")
        change(folder, ",Dev", ",train", 4)
        prepare(folder, protocol="split")
        with pytest.raises(SerError, match="split: no utterance in valid"):
            prepare(folder, protocol="split", select="valid")

    def test_a_split_that_shares_speakers_fails_the_audit(self, folder):
        change(folder, "s0,a,train", "s0,a,test")
        prepare(folder, protocol="split")
        with pytest.raises(SerError, match="speaker anna in train"):
            audit_files(
                *(folder.parent / "out/split" / f"{part}.json" for part in ("train", "valid", "test")),
                disjoint=["speaker"],
            )

    def test_speakers_become_names_of_folds(self, folder):
        assert prepare(folder)["folds"] == ["Jürgen_M", "anna", "ben", "spk03"]

    def test_columns_in_any_case_and_order_with_others_riding_along(self, folder):
        lines = (folder / "my.csv").read_text(encoding="utf-8").splitlines()[1:]
        moved = [" Speaker;duration;LABEL ;Wav;Line;"]
        moved += [f'{cells[2]};9;"{cells[1]}"; {cells[0]};x;' for cells in (line.split(",") for line in lines)]
        (folder / "my.csv").write_bytes("\r\n".join(moved).encode("utf-8-sig"))
        assert prepare(folder)["classes"] == ["joy", "no joy"]
        fields = read_manifest(folder.parent / "out/corpus.json")["0_joa"]
        assert (fields["csv_duration"], fields["duration"], fields["speaker"]) == ("9", 0.2, "anna")
        assert fields["line"] == "x"

    def test_latin_1_is_read_and_said(self, folder):
        (folder / "my.csv").write_bytes((folder / "my.csv").read_text(encoding="utf-8").encode("latin-1"))
        said = prepare(folder)
        assert "Jürgen_M" in said["folds"]
        assert said["statements"] == ["Latin-1 was taken for the encoding"]

    def test_paths_may_be_absolute_or_have_backslashes_blanks_and_umlauts(self, folder, tmp_path):
        change(folder, "0/joa.wav", "0\\joa.wav")
        (tmp_path / "elsewhere").mkdir()
        shutil.move(folder / "1/noa.wav", tmp_path / "elsewhere" / "ü b.wav")
        change(folder, "1/noa.wav", str(tmp_path / "elsewhere" / "u\u0308 b.wav"))  # decomposed, as macOS writes it
        prepare(folder)
        manifest = read_manifest(tmp_path / "out/corpus.json")
        assert manifest["corpus_0_joa"]["wav"] == "{data_root}/0/joa.wav"
        assert manifest["elsewhere_ü_b"]["wav"] == str(tmp_path / "elsewhere" / "ü b.wav")

    def test_ids_stay_unique(self, folder):
        write_wav(folder / "0/joa.flac")
        change(folder, "0/job.wav", "0/joa.flac")
        prepare(folder)
        assert {"0_joa", "0_joa_line3"} <= read_manifest(folder.parent / "out/corpus.json").keys()

    def test_where_recordings_lie_is_no_part_of_the_experiment(self, folder, tmp_path):
        write_wav(folder / "0/joa.wav", seed=1, rate=44100, channels=2)
        first = prepare(folder)
        moved = shutil.copytree(folder, tmp_path / "moved" / "corpus")
        second = prepare_csv(moved / "my.csv", tmp_path / "out2", cache_folder=tmp_path / "other")
        assert (first["fingerprint"], first["corpus_sha256"]) == (second["fingerprint"], second["corpus_sha256"])

    def test_other_rates_channels_and_formats_are_converted_once(self, folder, tmp_path):
        write_wav(folder / "0/joa.wav", rate=44100, channels=2)
        for name in ("flac", "ogg", "mp3"):
            write_wav(folder / f"0/x.{name}", rate=16000 if name != "ogg" else 48000, seconds=0.5)
        for old, name in (("0/job.wav", "flac"), ("0/noa.wav", "ogg"), ("0/nob.wav", "mp3")):
            change(folder, old, f"0/x.{name}")
        prepare(folder)
        manifest = read_manifest(tmp_path / "out/corpus.json")
        converted = {id_ for id_, fields in manifest.items() if str(tmp_path / "audio") in fields["wav"]}
        assert converted == {"0_joa", "0_x_line4"}
        for id_ in converted:
            info = soundfile.info(manifest[id_]["wav"])
            assert (info.samplerate, info.channels) == (16000, 1)

    def test_numbers(self, folder):
        change(folder, ",no joy,", ",-0.5,", 8)
        change(folder, ",joy,", ",2,", 8)
        said = prepare(folder, task="regression")
        assert (said["task"], said["scale"], said["classes"]) == ("regression", "plain", [])
        assert read_manifest(folder.parent / "out/corpus.json")["0_joa"]["label"] == 2.0
        with pytest.raises(
            SerError, match=r"labels such as -0\.5; expected: names of classes; remedy: .*bigru_mha_regression"
        ):
            prepare(folder)

    def test_a_label_of_one_speaker_is_said(self, folder):
        change(folder, "0/joa.wav,joy", "0/joa.wav,rage")
        assert prepare(folder)["statements"] == ["labels by a single speaker: rage (anna)"]


class TestErrors:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("0/joa.wav,joy", "0/joa.wav,", r"my\.csv: label empty in line 2;"),
            (",anna,", ", ,", r"speaker empty in line 2;"),
            (",s0,a", ",,a", r"session empty in line 2;"),
            (",train", ",", r"split empty in line 2;"),
            (",train", ",training set", r"split unknown in line 2 \(training set\)"),
            ("0/job.wav", "./0//joa.wav", r"wav again in line 3 \(as 2\)"),
            ("0/joa.wav", "0/gone.wav", r"1 missing: 0/gone\.wav \(my\.csv, line 2\)"),
            ("0/joa.wav", "x" * 300, r"1 missing: x+ \(my\.csv, line 2\)"),
            ("0/joa.wav", "/", r"1 missing: / \(my\.csv, line 2\)"),
            (",anna,", ",Anna,", r"speakers 'Anna' \(line 2\) and 'anna' \(line 3\); expected: names that differ"),
            (",joy,", ",Joy,", r"labels 'Joy' \(line 2\) and 'joy' \(line 3\); expected: names that differ"),
            (
                "wav,label",
                "file,label",
                r"line 1: no column wav; expected: a header with wav, label, speaker; found file,",
            ),
            ("session", "label", "line 1: twice label"),
            (",train\n", ",train,too,many\n", r"line 2: 8 cells, 6 in the header; expected: as many cells"),
            ("0/joa.wav,joy", '"0/joa.wav,joy', r"line \d+: .*; expected: as many cells .*quotation marks"),
            ("0/joa.wav,joy", '0/joa.wav,"jo\ny"', r"label broken off in line 3"),
        ],
    )
    def test_a_wrong_line_is_named(self, folder, old, new, message):
        change(folder, old, new)
        with pytest.raises(SerError, match=message):
            prepare(folder)
        assert not (folder.parent / "out" / "protocol.json").exists()

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("01", "1"),
            ("1", "1.0"),
            ("spk01", "SPK01"),
            ("spk01", "spk_1"),
            ("spk01", "\uff53\uff50\uff4b\uff10\uff11"),
            ("J\xfcrgen", "Ju\u0308rgen"),
            ("anna", "an\u200bna"),
            ("anna", "anna\u2060"),
            ("Anna Berg", "Anna\xa0Berg"),
            ("Anna Berg", "Anna  Berg"),
            ("Anna-Berg", "Anna\u2013Berg"),
            ("Anna-Berg", "anna_berg"),
            ("Stra\xdfe", "STRASSE"),
        ],
    )
    @pytest.mark.parametrize("column", ["speaker", "session", "sentence", "label"])
    def test_one_name_in_two_spellings_is_refused_with_both(self, folder, column, one, other):
        was = {"speaker": "anna", "session": "s0", "sentence": "a", "label": "joy"}[column]
        lines = (folder / "my.csv").read_text(encoding="utf-8").splitlines()
        place = HEADER.split(",").index(column)
        cells = [line.split(",") for line in lines]
        rows = [number for number, line in enumerate(cells) if line[place] == was]
        for number in rows:
            cells[number][place] = one if number == rows[0] else other
        (folder / "my.csv").write_text("\n".join(map(",".join, cells)), encoding="utf-8")
        with pytest.raises(SerError, match=f"{column}s '.*' \\(line 2\\) and '.*' \\(line [0-9]+\\); ") as caught:
            prepare(folder)
        assert len(set(re.findall(r"'[^']*' \(line", caught.value.got))) == 2

    @pytest.mark.parametrize("cell", ["nan", "None", "N/A", "null", "NaN", "-", "?", "unknown", "<NA>", " NA "])
    @pytest.mark.parametrize("column", ["speaker", "label", "session", "sentence"])
    def test_a_missing_value_is_no_name(self, folder, column, cell):
        was = {"speaker": ",anna,", "label": ",joy,", "session": ",s0,", "sentence": ",a,"}[column]
        change(folder, was, f",{cell},", 2)
        with pytest.raises(SerError, match=rf"{column} a missing value in line 2 .*; .*none may be no_emotion"):
            prepare(folder)

    def test_the_same_recording_by_another_path(self, folder):
        change(folder, "0/job.wav", str(folder / "0" / "joa.wav"))
        with pytest.raises(SerError, match=r"wav again in line 3 \(as 2\)"):
            prepare(folder)

    def test_the_same_audio_in_two_files_is_named_with_lines_and_labels(self, folder):
        samples, rate = soundfile.read(folder / "0/joa.wav", dtype="int16")
        soundfile.write(folder / "0/noa.wav", samples, rate)  # another label
        soundfile.write(folder / "1/copy.flac", samples, rate)  # another speaker and container
        soundfile.write(folder / "2/job.wav", samples / 32768, rate, subtype="FLOAT")
        change(folder, "1/joa.wav", "1/copy.flac")
        with pytest.raises(SerError) as caught:
            prepare(folder)
        assert caught.value.got.startswith("3 recordings in ")
        for pair in (
            "0/joa.wav (my.csv, line 2: joy) = 0/noa.wav (my.csv, line 4: no joy)",
            "0/joa.wav (my.csv, line 2: joy) = 1/copy.flac (my.csv, line 6: joy)",
            "0/joa.wav (my.csv, line 2: joy) = 2/job.wav (my.csv, line 11: joy)",
        ):
            assert pair in caught.value.got
        assert not (folder.parent / "out" / "protocol.json").exists()

    def test_near_duplicates_on_two_sides_are_named_before_the_first_training(self, folder):
        for name, seed in (("0/joa", 1), ("0/noa", 2), ("1/joa", 3)):
            write_wav(folder / f"{name}.wav", seed=seed, seconds=2)
        wave, rate = soundfile.read(folder / "0/joa.wav")
        soundfile.write(folder / "0/job.wav", -wave[8000:24000], rate)  # an excerpt, said by the same speaker
        said = prepare(folder)
        assert said["statements"][0].startswith(
            "1 pairs of near-duplicates, each on one side of every fold: 0_joa = 0_job ("
        )
        soundfile.write(folder / "1/joa.wav", wave * 0.7, rate)
        soundfile.write(folder / "2/noa.wav", wave[1:], rate)
        with pytest.raises(SerError) as caught:
            prepare(folder)
        assert caught.value.got.startswith("5 pairs of near-duplicates in train and test of one fold: 0_joa = 1_joa (")
        assert "0_joa = 2_noa (" in caught.value.got

    def test_all_complaints_come_at_once(self, folder):
        change(folder, ",joy,", ",,", 8)
        change(folder, ",train", ",x")
        with pytest.raises(
            SerError, match=r"label empty in line 2, 3, 6, 7, 10, 11, 14, 15; split unknown in line 2 \(x\)"
        ):
            prepare(folder)

    def test_recordings_that_cannot_be_used_are_named_with_their_lines(self, folder):
        (folder / "0/joa.wav").write_bytes(b"")
        (folder / "0/job.wav").write_text("no audio")
        write_wav(folder / "0/noa.wav", seconds=0)
        whole = (folder / "0/nob.wav").read_bytes()
        (folder / "0/nob.wav").write_bytes(whole[: len(whole) // 4])
        with pytest.raises(SerError) as caught:
            prepare(folder)
        assert "4 unusable: 0/joa.wav: " in str(caught.value)
        for line in (2, 3, 4, 5):
            assert f"(my.csv, line {line})" in str(caught.value)

    def test_one_class_or_two_speakers_are_too_few(self, folder):
        change(folder, ",no joy,", ",joy,", 8)
        with pytest.raises(SerError, match=r"the labels \['joy'\]; expected: two or more"):
            prepare(folder)

    def test_two_speakers_are_too_few_to_leave_one_out(self, folder):
        text = (folder / "my.csv").read_text(encoding="utf-8").splitlines()
        (folder / "my.csv").write_text("\n".join(text[:9]), encoding="utf-8")
        with pytest.raises(SerError, match=r"2 speakers \(anna, ben\); expected: three or more.* --protocol split"):
            prepare(folder)

    @pytest.mark.parametrize("content", ["", "\n\n", HEADER, "wav;label,speaker"])
    def test_a_csv_without_content(self, folder, content):
        (folder / "my.csv").write_text(content)
        with pytest.raises(SerError, match=r"my\.csv"):
            prepare(folder)

    def test_no_csv(self, tmp_path):
        with pytest.raises(SerError, match="got: no --csv"):
            prepare_csv(None, tmp_path / "out")
        with pytest.raises(SerError, match=r"no file .*my\.csv"):
            prepare_csv(tmp_path / "my.csv", tmp_path / "out")
        with pytest.raises(SerError, match="task='both'"):
            prepare_csv(tmp_path / "my.csv", tmp_path / "out", task="both")


CELL = st.text(
    st.characters(codec="utf-8", exclude_characters='",;\t\r\n\0', exclude_categories=("Cc", "Zs", "Cs")), max_size=8
)


class TestLaws:
    @given(
        rows=st.lists(st.tuples(CELL, CELL, CELL, CELL).filter(any), min_size=1, max_size=6),
        delimiter=st.sampled_from(",;\t"),
        end=st.sampled_from(["\n", "\r\n", "\r"]),
        quoted=st.booleans(),
        bom=st.booleans(),
    )
    def test_every_line_is_read_whatever_the_dialect(self, tmp_path_factory, rows, delimiter, end, quoted, bom):
        rows = [tuple(cell.removeprefix("\ufeff") for cell in row) for row in rows]
        rows = [row for row in rows if any(cell.strip() for cell in row)] or [("a", "b", "c", "d")]
        path = tmp_path_factory.mktemp("csv") / "my.csv"
        lines = [delimiter.join(["speaker", "wav", "note", "Label"])]
        lines += [delimiter.join(f'"{cell}"' if quoted else cell for cell in row) for row in rows]
        path.write_bytes(end.join(lines).encode("utf-8-sig" if bom else "utf-8"))
        found, encoding = read_table(path)
        assert encoding == "UTF-8"
        assert [tuple(row[name] for name in ("speaker", "wav", "note", "label")) for row in found] == [
            tuple(cell.strip() for cell in row) for row in rows
        ]

    @given(content=st.binary(max_size=80))
    def test_no_bytes_are_taken_for_a_corpus_or_end_in_a_traceback(self, tmp_path_factory, content):
        path = tmp_path_factory.mktemp("csv") / "my.csv"
        for head in (b"", b"wav,label,speaker\n"):
            path.write_bytes(head + content)
            with pytest.raises(SerError):
                prepare_csv(path, path.parent / "out", cache_folder=path.parent / "audio")

    @given(name=st.text(min_size=1))
    def test_names_of_folds_are_plain_file_names_that_yaml_leaves_alone(self, name):
        fold = fold_name(name)
        assert fold[0].isalpha()
        assert os.path.basename(fold) == fold
        assert not set(fold) & set(" ,.:;/\\")
        assert fold.lower() not in ("all", "true", "false", "yes", "no", "null")

    @pytest.mark.parametrize("name", ["con", "NUL", "Aux.", "lpt1", "com9"])
    def test_a_speaker_called_like_a_device_of_windows_still_gets_a_folder(self, name):
        assert not PureWindowsPath(fold_name(name)).is_reserved()

    @given(number=st.floats(1, 1e6))
    def test_numbers_are_numbers(self, number):
        assert is_number(repr(number))
        for other in (f"{number} s", f"{number}e999", "nan", "inf", "1_000", "٣", "0,5", ""):
            assert not is_number(other)
