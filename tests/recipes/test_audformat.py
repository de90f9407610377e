"""An audformat database is read like a CSV: emotions from one table, speakers from another."""

import shutil

import pytest
import yaml
from csv_prepare import prepare_csv

from ser_plugins.corpora.lists.audformat import is_audformat, read_audformat
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.errors import SerError

EMOTIONS = {"W": "anger", "T": "sadness", "N": "neutral"}
COLUMNS = {"emotion": {"scheme_id": "emotion", "rater_id": "gold"}, "emotion.confidence": {"scheme_id": "confidence"}}
HEADER = {
    "name": "toy",
    "schemes": {"emotion": {"dtype": "str"}, "speaker": {"dtype": "int"}},
    "tables": {
        "emotion": {"type": "filewise", "columns": COLUMNS},
        "files": {"type": "filewise", "columns": {"speaker": {"scheme_id": "speaker"}, "sex": {}}},
    },
}


@pytest.fixture
def database(toy_emodb, tmp_path):
    """The files of a toy corpus, as audb hands them out."""
    folder = tmp_path / "toy"
    (folder / "wav").mkdir(parents=True)
    emotions, files = ["file,emotion,emotion.confidence"], ["file,duration,speaker,sex"]
    for path in sorted((toy_emodb / "wav").glob("*[WTN]a.wav")):
        shutil.copy(path, folder / "wav")
        emotions.append(f"wav/{path.name},{EMOTIONS[path.stem[5]]},0.9")
        files.append(f"wav/{path.name},0 days 00:00:01,{int(path.stem[:2])},female")
    (folder / "db.emotion.csv").write_text("\n".join(emotions) + "\n")
    (folder / "db.files.csv").write_text("\n".join(files) + "\n")
    write_header(folder, HEADER)
    return folder


def write_header(folder, header):
    (folder / "db.yaml").write_text(yaml.safe_dump(header))


@pytest.mark.parametrize("named", ["", "db.yaml", "db.emotion.csv"])
def test_folder_header_and_table_are_the_same_corpus(database, tmp_path, named):
    summary = prepare_csv(database / named, tmp_path / "manifests")
    assert summary["corpus"] == "toy"
    assert summary["classes"] == ["anger", "neutral", "sadness"]
    assert summary["folds"] == ["spk3", "spk8", "spk9"]
    manifest = read_manifest(tmp_path / "manifests" / "corpus.json")
    assert len(manifest) == summary["utterances"] == 18
    assert {fields["sex"] for fields in manifest.values()} == {"female"}
    assert all(fields["duration"] > 0.1 for fields in manifest.values())


def test_several_tables_of_emotions_are_a_question(database):
    tables = {**HEADER["tables"], "emotion.test": HEADER["tables"]["emotion"]}
    shutil.copy(database / "db.emotion.csv", database / "db.emotion.test.csv")
    write_header(database, {**HEADER, "tables": tables})
    with pytest.raises(SerError, match=r"2 tables.*emotion, emotion.test.*db.TABLE.csv"):
        read_audformat(database)
    assert len(read_audformat(database / "db.emotion.test.csv")) == 18


def test_labels_of_parts_of_files_are_refused_and_whole_segments_are_not(database):
    lines = (database / "db.emotion.csv").read_text().splitlines()

    def write(start, end):
        rows = [f"{line.split(',', 1)[0]},{start},{end},{line.split(',', 1)[1]}" for line in lines[1:]]
        (database / "db.emotion.csv").write_text("\n".join(["file,start,end,emotion,emotion.confidence", *rows]) + "\n")

    write("0 days 00:00:00", "")
    assert len(read_audformat(database)) == 18
    for start, end in (("0 days 00:00:00.500000", ""), ("0 days", "0 days 00:00:01")):
        write(start, end)
        with pytest.raises(SerError, match="labels of whole files"):
            read_audformat(database)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "db.files.csv").unlink(), "no speaker"),
        (lambda folder: (folder / "db.yaml").write_text("name: [\n"), "YAML"),
        (lambda folder: (folder / "db.yaml").write_text("name: toy\n"), "no tables"),
        (lambda folder: [path.unlink() for path in folder.glob("db.*.csv")], "storage_format"),
    ],
)
def test_what_is_missing_is_named(database, damage, message):
    damage(database)
    with pytest.raises(SerError, match=message):
        read_audformat(database)


def test_a_csv_is_no_database(toy_csv, database):
    assert not is_audformat(toy_csv)
    assert not is_audformat(database / "wav")
    assert is_audformat(database)
