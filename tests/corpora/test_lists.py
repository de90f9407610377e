"""Lists as people have them are read as the folds that they are."""

import json

import numpy as np
import pytest
import yaml

from ser_plugins.corpora.lists.division import read_division
from ser_plugins.corpora.lists.naming import PRESETS, Naming
from ser_plugins.corpora.lists.reading import Reader
from ser_plugins.errors import SerError

PARTS = {"train": ["anna", "ben"], "valid": ["cleo"], "test": ["dan", "eve"]}


def rows(part, count=2):
    return [
        {"id": f"{who}_{i}", "wav": f"wav/{who}_{i}.wav", "speaker": who, "emotion": "joy" if i else "fear"}
        for who in PARTS[part]
        for i in range(count)
    ]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def table(records, delimiter=","):
    return "\n".join([delimiter.join(records[0]), *(delimiter.join(map(str, r.values())) for r in records)]) + "\n"


def speakers(fold):
    return {part: sorted({fields["speaker"] for fields in split.values()}) for part, split in fold.parts.items()}


def kaldi(folder, records):
    for name, field in (("utt2spk", "speaker"), ("utt2emo", "emotion"), ("wav.scp", "wav")):
        write(folder / name, "".join(f"{record['id']} {record[field]}\n" for record in records))


class TestDivisions:
    """The same three parts in every form that people have them."""

    def check(self, division):
        (fold,) = division.folds
        assert speakers(fold) == PARTS
        assert [len(split) for split in fold.parts.values()] == [4, 2, 4]
        assert {fields["label"] for split in fold.parts.values() for fields in split.values()} == {"joy", "fear"}

    @pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "list.json"])
    def test_three_files(self, tmp_path, kind):
        paths = []
        for part in PARTS:
            records = rows(part)
            text = {
                "csv": table(records),
                "tsv": table(records, "\t"),
                "jsonl": "\n".join(map(json.dumps, records)),
                "json": json.dumps({record.pop("id"): record for record in rows(part)}),
                "list.json": json.dumps(records),
            }[kind]
            paths.append(write(tmp_path / f"{part}.{kind}", text))
        self.check(read_division(paths))
        self.check(read_division([tmp_path]))

    def test_a_column_split(self, tmp_path):
        words = {"train": "Train", "valid": "dev", "test": "TEST"}
        records = [{**record, "partition": words[part]} for part in PARTS for record in rows(part)]
        self.check(read_division([write(tmp_path / "all.csv", table(records))]))

    def test_kaldi_folders(self, tmp_path):
        for part in PARTS:
            kaldi(tmp_path / "data" / part, rows(part))
        self.check(read_division([tmp_path / "data" / part for part in PARTS]))
        self.check(read_division([tmp_path / "data"]))

    @pytest.mark.parametrize("entries", ["ids", "numbers", "numpy"])
    def test_index_files_of_one_table(self, tmp_path, entries):
        everything = [record for part in PARTS for record in rows(part)]
        reader = Reader()
        reader.table = reader.manifest(write(tmp_path / "corpus.csv", table(everything)))
        paths, start = [], 0
        for part in PARTS:
            chosen = rows(part)
            numbers = range(start, start + len(chosen))
            start += len(chosen)
            lines = [record["id"] for record in chosen] if entries == "ids" else map(str, numbers)
            if entries == "numpy":
                paths.append(tmp_path / f"{part}.npy")
                np.save(paths[-1], np.array(numbers))
            else:
                paths.append(write(tmp_path / "index" / f"{part}.txt", "\n".join(lines)))
        division = read_division(paths, reader)
        self.check(division)
        assert any("row numbers" in remark for remark in division.remarks) == (entries != "ids")

    def test_an_audformat_database(self, tmp_path):
        columns = {"emotion": {"scheme_id": "emotion"}}
        tables = {f"emotion.{part}": {"type": "filewise", "split_id": part, "columns": columns} for part in PARTS}
        tables["files"] = {"type": "filewise", "columns": {"speaker": {"scheme_id": "speaker"}}}
        splits = {"train": {"type": "train"}, "valid": {"type": "dev"}, "test": {"type": "test"}}
        header = {"name": "toy", "splits": splits, "schemes": {"emotion": {}, "speaker": {}}, "tables": tables}
        write(tmp_path / "toy" / "db.yaml", yaml.safe_dump(header))
        for part in PARTS:
            records = [{"file": record["wav"], "emotion": record["emotion"]} for record in rows(part)]
            write(tmp_path / "toy" / f"db.emotion.{part}.csv", table(records))
        everything = [record for part in PARTS for record in rows(part)]
        files = [{"file": record["wav"], "speaker": record["speaker"]} for record in everything]
        write(tmp_path / "toy" / "db.files.csv", table(files))
        self.check(read_division([tmp_path / "toy"]))
        self.check(read_division([tmp_path / "toy" / f"db.emotion.{part}.csv" for part in PARTS]))
        (tmp_path / "toy" / "db.emotion.test.csv").unlink()
        with pytest.raises(SerError, match=r"test: none; expected: one for training and one for test"):
            read_division([tmp_path / "toy"])

    def test_columns_that_are_named(self, tmp_path):
        paths = []
        for part in PARTS:
            named = {"id": "nr", "speaker": "who", "emotion": "feeling"}
            records = [{named[key]: value for key, value in record.items() if key in named} for record in rows(part)]
            paths.append(write(tmp_path / f"{part}.csv", table(records)))
        self.check(read_division(paths, Reader(columns={"id": "nr", "speaker": "who", "label": "feeling"})))
        with pytest.raises(
            SerError, match=r"train\.csv: no column whom for speaker; expected: one of nr, who, feeling"
        ):
            read_division(paths, Reader(columns={"id": "nr", "speaker": "whom"}))


class TestFolds:
    def people(self):
        return [record for part in PARTS for record in rows(part)]

    @pytest.mark.parametrize(
        "layout",
        ["fold{}/train.csv fold{}/test.csv", "fold_{}_train.csv fold_{}_test.csv", "train_{}.csv test_{}.csv",
         "train/{}.csv test/{}.csv", "fold_{}/toy_train_fold_{}.csv fold_{}/toy_test_fold_{}.csv"],
    )  # fmt: skip
    def test_a_folder_of_folds(self, tmp_path, layout):
        for number, held in enumerate(("anna", "ben", "cleo"), start=1):
            for name, tested in zip(layout.split(), (False, True), strict=True):
                records = [record for record in self.people() if (record["speaker"] == held) == tested]
                write(tmp_path / name.replace("{}", str(number)), table(records))
        write(tmp_path / "notes.csv", "nothing,here\n1,2\n")
        division = read_division([tmp_path])
        assert [speakers(fold)["test"] for fold in division.folds] == [["anna"], ["ben"], ["cleo"]]
        assert all(len(fold.parts["train"]) == 8 for fold in division.folds)
        assert "not read: notes.csv" in division.remarks

    def test_folds_are_in_the_order_of_their_numbers_and_share_what_they_say(self, tmp_path):
        for number in (10, 2, 1):
            write(tmp_path / f"fold{number}" / "train.csv", table(rows("train")))
            write(tmp_path / f"fold{number}" / "test.csv", table(rows("test")))
        division = read_division([tmp_path])
        assert [fold.name for fold in division.folds] == ["fold1", "fold2", "fold10"]
        first, second, _ = (fold.parts["train"]["anna_0"] for fold in division.folds)
        assert first["wav"] == second["wav"]

    @pytest.mark.parametrize("form", ["column", "files"])
    def test_what_is_held_out_in_turn(self, tmp_path, form):
        records = [{**record, "fold": record["speaker"]} for record in self.people()]
        if form == "column":
            path = write(tmp_path / "all.csv", table(records))
        else:
            path = tmp_path / "folds"
            for number, who in enumerate(sorted({record["speaker"] for record in records}), start=1):
                write(path / f"part{number}.csv", table([r for r in self.people() if r["speaker"] == who]))
        division = read_division([path])
        assert [speakers(fold)["test"] for fold in division.folds] == [["anna"], ["ben"], ["cleo"], ["dan"], ["eve"]]
        assert all(len(fold.parts["train"]) == 8 for fold in division.folds)
        assert any("held out in turn" in remark for remark in division.remarks)

    def test_a_fold_with_its_own_split(self, tmp_path):
        records = [
            {**record, "fold": fold, "split": "test" if record["speaker"] == held else "train"}
            for fold, held in enumerate(("anna", "ben"))
            for record in self.people()
        ]
        division = read_division([write(tmp_path / "long.csv", table(records))])
        assert [speakers(fold)["test"] for fold in division.folds] == [["anna"], ["ben"]]

    def test_one_test_for_all_folds_and_validation_without_a_test(self, tmp_path):
        for number in (1, 2):
            write(tmp_path / "a" / f"fold{number}" / "train.csv", table(rows("train")))
            write(tmp_path / "b" / f"fold{number}" / "train.csv", table(rows("train")))
            write(tmp_path / "b" / f"fold{number}" / "dev.csv", table(rows("valid")))
        write(tmp_path / "a" / "test.csv", table(rows("test")))
        assert [speakers(fold)["test"] for fold in read_division([tmp_path / "a"]).folds] == [["dan", "eve"]] * 2
        division = read_division([tmp_path / "b"])
        assert [speakers(fold)["test"] for fold in division.folds] == [["cleo"]] * 2
        assert any("there is no test" in remark for remark in division.remarks)


NAMES = {
    "emodb": {"wav/03a01Fa.wav": "03", "16b10Wb": "16"},
    "ravdess": {"Actor_12/03-01-05-02-01-01-12.wav": "12"},
    "crema-d": {"AudioWAV/1001_DFA_ANG_XX.wav": "1001"},
    "savee": {"AudioData/DC/sa01.wav": "DC", "KL_n30.wav": "KL"},
    "tess": {"OAF_angry/OAF_back_angry.wav": "OA", "YAF_youth_ps.wav": "YA", "OA_bite_neutral.wav": "OA"},
    "iemocap": {
        "Ses01F_impro01_F000.wav": "Ses01F",
        "a/Ses05M_script01_1b_M024": "Ses05M",
        "Ses02F_impro03_MXX0": None,
    },
    "esd": {"0011/Angry/0011_000351.wav": "0011"},
    "emovo": {"EMOVO/f1/dis-f1-b1.wav": "f1"},
}


class TestNaming:
    @pytest.mark.parametrize("preset", PRESETS)
    def test_presets_know_the_names_of_their_corpus_and_no_others(self, preset):
        for path, speaker in NAMES[preset].items():
            if speaker:
                assert Naming.of(preset).fields(path)["speaker"] == speaker
        for other, paths in NAMES.items():
            if other != preset:
                assert not any(Naming.of(preset).fields(path) for path in paths)

    @pytest.mark.parametrize("name", ["CREMA-D", "crema_d", "cremad"])
    def test_presets_are_known_in_any_spelling(self, name):
        assert Naming.of(name).fields("1001_DFA_ANG_XX.wav")["speaker"] == "1001"

    def test_a_name_that_says_nothing_is_an_error(self, tmp_path):
        train = write(tmp_path / "train.txt", "03a01Fa.wav\n08a01Fa.wav\n")
        test = write(tmp_path / "test.txt", "09a01Fa.wav\nnoise.wav\n")
        with pytest.raises(SerError, match=r"test\.txt: .*noise\.wav with --speaker-from emodb"):
            read_division([train, test], Reader(naming=Naming.of("emodb")))
        (fold,) = read_division([train, write(test, "09a01Fa.wav\n")], Reader(naming=Naming.of("emodb"))).folds
        assert speakers(fold)["test"] == ["09"]

    @pytest.mark.parametrize("text", ["(", "spk", "emodbb"])
    def test_an_expression_without_a_group_is_refused(self, text):
        with pytest.raises(SerError, match=r"--speaker-from"):
            Naming.of(text)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.csv": "id,speaker\n1,anna\n"}, "no column that divides it, in id, speaker"),
        ({"a.csv": "id,speaker,split\n1,anna,train\n2,ben,tset\n"}, "split 'tset'"),
        ({"a.csv": "id,speaker,split\n1,anna,train\n2,ben,dev\n"}, "nothing of test; there is train: 1, valid: 1"),
        ({"a.csv": "id,speaker,fold\n1,anna,1\n2,ben,1\n"}, "1 group"),
        ({"a.csv": "id,speaker,fold\n1,anna,1\n2,ben,\n"}, "fold ''"),
        ({"d/train.csv": "id\n1\n", "d/training.csv": "id\n1\n"}, "are both train"),
        ({"d/words.csv": "id\n1\n"}, "words.csv; expected: lists such as"),
        ({"d/fold1/train.csv": "id\n1\n"}, "fold fold1: nothing of test"),
        ({"d/wav.scp": "", "d/utt2spk": ""}, "no utterances"),
        ({"d/utt2spk": "u1 anna\n", "d/text": "u2 hello\n"}, "u2 is not in utt2spk"),
        ({"train.txt": "1\n2\n", "test.txt": "3\n"}, "numbers of rows, and no table"),
        ({"train.txt": "a\na\n", "test.txt": "b\n"}, "train.txt: a twice"),
        ({"train.txt": "a\n", "test.npy": "no array"}, "test.npy: "),
    ],
)
def test_what_is_no_division(tmp_path, files, message):
    paths = [write(tmp_path / name, text) for name, text in files.items()]
    with pytest.raises(SerError, match=message):
        read_division([tmp_path / "d"] if (tmp_path / "d").is_dir() else paths)


def test_an_index_of_another_table(tmp_path):
    reader = Reader(table={"u1": {"speaker": "anna"}, "u2": {"speaker": "ben"}})
    train, test = write(tmp_path / "train.txt", "0\n"), write(tmp_path / "test.txt", "2\n")
    with pytest.raises(SerError, match=r"test\.txt: 2; expected: ids of the table, or numbers of its rows from 0 to 1"):
        read_division([train, test], reader)


def test_segments_of_one_recording_share_it(tmp_path):
    write(tmp_path / "utt2spk", "u1 anna\nu2 anna\n")
    write(tmp_path / "segments", "u1 talk 0.0 1.0\nu2 talk 1.0 2.0\n")
    write(tmp_path / "wav.scp", "talk talk.wav\n")
    manifest = Reader().manifest(tmp_path)
    assert [fields["recording"] for fields in manifest.values()] == ["talk", "talk"]
    assert not any("wav" in fields for fields in manifest.values())
