"""Label files in CSV: read whole, or refused with file and line; never an utterance less."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_plugins.corpora.tables import read_rows
from ser_plugins.errors import SerError

COLUMNS = ["video", "label"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "Ärger & label.csv"


# Whatever a transcript may hold, other than what UTF-8 cannot, or what strip() takes off its ends.
cells = st.text(st.characters(codec="utf-8", exclude_characters="\0")).map(str.strip)
rows = st.lists(st.tuples(cells.filter(lambda cell: cell not in ("", *COLUMNS)), cells), min_size=1)


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


@given(rows=rows, mark=st.sampled_from(["", "\ufeff"]), end=st.sampled_from(["\n", "\r\n", "\r"]), header=st.booleans())
def test_what_was_written_is_read(file, rows, mark, end, header):
    lines = [COLUMNS] * header + rows
    text = mark + "".join(",".join(map(quoted, line)) + end for line in lines)
    file.write_bytes(text.encode())
    found = read_rows(file, COLUMNS, headerless=COLUMNS)
    assert [tuple(row.cells.values()) for row in found] == rows


@given(content=st.binary())
def test_any_bytes_are_read_or_refused_with_the_file(file, content):
    file.write_bytes(content)
    try:
        found = read_rows(file, COLUMNS, headerless=COLUMNS)
    except SerError as error:
        assert str(file) in error.got  # noqa: PT017
    else:
        assert all(set(row.cells) == set(COLUMNS) for row in found)


@given(cut=st.integers(0, 60))
def test_a_file_cut_short_is_refused_or_lacks_whole_lines(file, cut):
    whole = "label,video,text\n" + "".join(f'0.{n},v{n},"a, b\nc {n}"\n' for n in range(3))
    file.write_text(whole[:cut])
    try:
        found = read_rows(file, COLUMNS)
    except SerError as error:
        assert str(file) in error.got  # noqa: PT017
    else:
        assert [row.cells["video"] for row in found] == [f"v{n}" for n in range(len(found))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no line with a label"),
        (b"video,label\n\n", "no line with a label"),
        (b"video,text\na,b\n", "line 1: no column label in video, text; expected: the columns video, label"),
        (b"a,b\n0,1\n", "line 1: no column video, label"),
        (b"video,label,label\na,1,2\n", "line 1: the column label twice"),
        (b"video,label\na,1\nb\n", "line 3: 1 columns; expected: 2: video, label"),
        (b"video,label\na,1,2\n", "line 2: 3 columns"),
        ("video,label\na,1\nü,2\n".encode("latin-1"), "line 3: not UTF-8; .*remedy: save it as UTF-8"),
        ("video,label\na,1\n".encode("utf-16"), "line 1: not UTF-8"),
    ],
)
def test_complaints_name_the_line(file, content, message):
    file.write_bytes(content)
    with pytest.raises(SerError, match=message):
        read_rows(file, COLUMNS)


def test_a_file_without_a_header_has_the_published_number_of_columns(file):
    file.write_text("a,1,x\n")
    with pytest.raises(SerError, match="line 1: 3 columns; expected: 2"):
        read_rows(file, COLUMNS, headerless=COLUMNS)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(SerError, match=r"got: no file .*label\.csv; expected: the labels"):
        read_rows(tmp_path / "label.csv", COLUMNS)
