"""The label file of an export: every label comes back, here and in SpeechBrain; nothing else is read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from speechbrain.dataio.encoder import CategoricalEncoder

from ser_plugins.errors import SerError
from ser_plugins.inference.labels import read_labels, write_labels

LABELS = st.lists(
    st.text(min_size=1) | st.text(st.sampled_from("=> '\"\\\n\r\t,0\u2028\x85x3d"), min_size=1),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(LABELS)
@example([" => ", "a => 1", "'", '"', "'\"", "\\", "\\=>", " => \\", "================", "\n", " a ", "starting_index"])
@example(["Ärger", "悲しい", "\u200b", "\x00", "\x1b[2J", "\U0001f600", "'a' => 0\n'b' => 1"])
def test_odd_labels_come_back_from_both_readers(tmp_path_factory, labels):
    text = write_labels(labels)
    assert read_labels(text.encode("utf-8"), "label_encoder.ckpt") == tuple(labels)
    path = tmp_path_factory.getbasetemp() / "labels.txt"
    path.write_text(text, encoding="utf-8", newline="\n")
    encoder = CategoricalEncoder()
    encoder.load(path)
    assert encoder.lab2ind == {label: index for index, label in enumerate(labels)}
    assert encoder.starting_index == 0


@pytest.mark.parametrize("labels", [[], ["a", "a"], ["", "a"], ["\ud800"], [1, 2]])
def test_labels_that_no_reader_could_tell_apart_are_not_written(labels):
    with pytest.raises(SerError, match="each a text of its own"):
        write_labels(labels)


END = "================\n'starting_index' => 0\n"


@pytest.mark.parametrize(
    "text",
    [
        "", END, "'a' => 0\n", "'a' => 1\n" + END, "'a' => 0\n'a' => 1\n" + END, "'a' => 00\n" + END, "a => 0\n" + END,
        "1 => 0\n" + END, "('a', 'b') => 0\n" + END, "'a' 'b' => 0\n" + END, "f'a' => 0\n" + END, "b'a' => 0\n" + END,
        "'a' => 0\n" + END + "'x' => __import__('os')\n", "'a' => 0\r\n" + END, "'\\x61' => 0\n" + END,
        " 'a' => 0\n" + END,
        "'a' => 0\n================\n'starting_index' => 1\n", "'a' => 0\n\n" + END,
        "'" + "(" * 100_000 + " => 0\n" + END,
    ],
)  # fmt: skip
def test_what_no_export_writes_is_refused(text):
    with pytest.raises(SerError, match=r"label_encoder.ckpt: .*as ser export writes them"):
        read_labels(text.encode("utf-8"), "label_encoder.ckpt")
