"""Text is text wherever it is shown: odd labels come out of reports, tables and figures as they went in."""

import ast
import csv
import io
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from fake_predictions import write_fold
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from rich.console import Console

from ser_plugins.cli import recordings
from ser_plugins.cli.timeline_picture import timeline_figure
from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.comparison import compare_runs
from ser_plugins.evaluation.compare.tables import comparison_markdown, comparison_terminal
from ser_plugins.evaluation.paper.published_table import Sheet
from ser_plugins.evaluation.paper.suite import write_suite
from ser_plugins.evaluation.report import figures
from ser_plugins.evaluation.report.summary import aggregate, terminal_table, write_report
from ser_plugins.evaluation.report.tables import markdown_table, results_markdown
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.inference.timeline import Timeline, segments
from ser_plugins.inference.windows import Window
from ser_plugins.plain import (
    bold,
    code,
    csv_cell,
    figure_text,
    latex,
    markdown,
    terminal,
    unmarked,
    visible,
)

pytestmark = pytest.mark.renders

ODD = [
    "[neutral]", "[/b]", "[red]x[/red]", "$x_$", "$\\alpha$", r"a\$b", "\x1b[31mred\x1b[0m", "a|b", "two\nlines", "*a*",
    "**a**", "_a_", "__", "`a`", "``", "<b>", "</td>", "&amp;", "&lt;", "~~a~~", "\\", r"\*", r"a\|b", "[a](http://b)",
    "![a](b)", "# a", "- a", "=1+1", "@a", ":smile:", "100 %", "a_b", "a#b", "{}", "^", "\u202eabc", "\x00", "\x7f",
    "a\u2028b", "\ud800", " ", "'", '"', "é", "怒り", "😀", "|", "\\|", "<!-- -->", "$", "$$", "a*", "*",
]  # fmt: skip
TEXT = st.one_of(st.sampled_from(ODD), st.text(max_size=8))
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
THREE = ["[neutral]", "[/b]", "$x_$"]


def examples(test):
    for text in ODD:
        test = example(text)(test)
    return test


def texts_of(source) -> str:
    """The text of markdown as a reader sees it, or a complaint about markup in it."""
    (inline,) = [token for token in MARKDOWN.parse(source) if token.type == "inline"]
    assert {child.type for child in inline.children} <= {"text", "text_special"}, source
    return "".join(child.content for child in inline.children)


def cells_of(source) -> list:
    """The cells of the table in markdown: what readers see, with markup told apart."""
    tokens = MARKDOWN.parse(source)
    assert [token.type for token in tokens].count("table_open") == 1, source
    return [token for token in tokens if token.type == "inline"]


def shown_in_terminal(renderable, **options) -> str:
    console = Console(width=400, file=io.StringIO(), **options)
    console.print(renderable)
    return console.file.getvalue()


class TestText:
    @examples
    @given(TEXT)
    def test_nothing_invisible_or_acting_is_left(self, text):
        shown = visible(text)
        shown.encode("utf-8")
        assert all(part.isprintable() or part in "\u200c\u200d" or part.isspace() for part in shown)
        assert not set(shown) & {chr(number) for number in (*range(32), *range(127, 160), 0x202E, 0x2028, 0x2029)}
        assert visible(shown) == shown
        if text.isprintable():
            assert shown == text

    def test_newlines_are_kept_where_lines_are_asked_for(self):
        assert visible("a\nb\x1b", lines=True) == "a\nb\\x1b"
        assert visible("a\nb") == r"a\nb"

    @examples
    @given(TEXT)
    def test_a_terminal_shows_it_as_it_is(self, text):
        assert terminal(text).plain == visible(text, lines=True)
        for options in ({}, {"force_terminal": True, "color_system": None}):
            assert shown_in_terminal(terminal(f"a{text}b"), **options).replace(
                "\n", ""
            ) == f"a{visible(text, lines=True)}b".replace("\n", "")

    @examples
    @given(TEXT)
    def test_markdown_shows_it_as_it_is(self, text):
        assert texts_of(f"a {markdown(text)} b") == f"a {visible(text)} b"
        assert texts_of(f"a{markdown(text)}b") == f"a{visible(text)}b"
        assert unmarked(markdown(text)) == visible(text)

    @examples
    @given(TEXT)
    def test_a_cell_of_a_table_shows_it_as_it_is(self, text):
        header, *cells = cells_of(
            markdown_table([f"x{text}x"], [[f"x{text}x"], [bold(f"x{text}x")], [code(f"x{text}x")]])
        )
        for cell in (header, cells[0], cells[1]):
            assert "".join(child.content for child in cell.children) == f"x{visible(text)}x"
        assert {child.type for child in (*header.children, *cells[0].children)} <= {"text", "text_special"}
        assert [child.type for child in cells[1].children].count("strong_open") == 1
        assert [(child.type, child.content) for child in cells[2].children] == [("code_inline", f"x{visible(text)}x")]

    @pytest.mark.parametrize(
        "text", ["bigru_mha", "p < 0.05", "3 * 4", "70.1 ± 2.3", "spk03 (49)", "Bi-GRU + 4", "a & b"]
    )
    def test_markdown_of_ordinary_text_is_that_text(self, text):
        assert markdown(text) == text

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (r"**a** b", "<a> b"), ("`a_b` of **c `d`**", "{a_b} of <c {d}>"), (r"\*\*a\*\*", "**a**"),
            ("``a`b``", "{a`b}"), ("a * b ** c", "a * b ** c"), ("", ""),
        ],
    )  # fmt: skip
    def test_the_parts_of_marked_up_text(self, text, expected):
        assert unmarked(text, code=lambda inside: f"{{{inside}}}", bold=lambda inside: f"<{inside}>") == expected

    @examples
    @given(TEXT)
    def test_latex_is_balanced_one_line_and_free_of_commands_of_the_text(self, text):
        written = latex(text)
        assert "\n" not in written
        rest = re.sub(
            r"\\(text(backslash|asciitilde|asciicircum|bar)|dots)\{\}|\\[&%$#_{}]|\$(\\pm|-|\\cdot|<|>|\^2)\$|\{[\[\]]\}",
            "",
            written,
        )
        assert not set(rest) & set("\\&%$#_{}~^|[]<>")

    @examples
    @given(TEXT)
    def test_no_cell_of_a_csv_is_a_formula(self, text):
        cell = csv_cell(text)
        assert cell in (text, f"'{text}")
        assert not cell.startswith(("=", "@", "\t", "\r"))
        assert not cell.startswith(("+", "-")) or np.isfinite(float(cell)) or "n" in cell.lower()

    @pytest.mark.parametrize("number", ["-0.5", "+1", "-1e-3", "−2.0", "–"])
    def test_numbers_in_a_csv_stay_numbers(self, number):
        assert csv_cell(number) == number

    @examples
    @given(TEXT)
    def test_an_error_shows_what_it_names_and_nothing_acts(self, text):
        error = SerError(got=text, expected="b", remedy="c")
        assert str(error) == f"got: {visible(text, lines=True)}; expected: b; remedy: c"
        assert error.got == text


def write_odd_run(folder, classes, **options):
    for fold in ("spk03", "spk08", "spk09"):
        write_fold(folder, fold, classes=classes, **options)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose classes are all odd, and whose system and corpus are too."""
    classes = [*ODD[:7], "a|b", "=1+1", "two\nlines", "*a*"]
    folder = tmp_path_factory.mktemp("odd") / "[bold]_x_" / "loso"
    return write_odd_run(folder, classes, n=44, corpus="[corpus] $a$ *b*")


class TestRun:
    def test_a_report_is_written_and_every_class_is_in_its_tables(self, run):
        summary = write_report(run)
        tables = re.findall(r"(?:^\|.*\|\n?)+", (run / "results.md").read_text(encoding="utf-8"), re.MULTILINE)
        per_class, confusion = tables[1], tables[3]
        for table, skipped in ((per_class, 5), (confusion, 0)):
            shown = ["".join(child.content for child in cell.children) for cell in cells_of(table)]
            assert {visible(name) for name in summary.protocol.classes} <= set(shown[skipped:])
        assert sorted(path.suffix for path in (run / "figures").iterdir()).count(".png") == 4

    def test_the_terminal_shows_every_class(self, run):
        summary = aggregate(read_run(run))
        for options in ({}, {"force_terminal": True, "color_system": "truecolor"}):
            shown = shown_in_terminal(terminal_table(summary), **options)
            for name in summary.protocol.classes:
                assert visible(name, lines=True).split("\n")[0] in shown
            assert "\x1b[31mred" not in shown
            assert "[corpus] $a$ *b*" in shown

    def test_comparison_and_suite(self, run, tmp_path):
        other = write_odd_run(
            tmp_path / "$y$" / "loso", list(read_run(run)[0].record.protocol.classes), n=44, corpus="[corpus] $a$ *b*"
        )
        for folder, name in ((run, "[bold]_x_"), (other, "$y$")):
            for path in folder.glob("seed_*/*/results.json"):
                path.write_text(path.read_text().replace('"system": "bigru"', f'"system": "{name}"'))
        comparison = compare_runs(run, other)
        assert "[bold]_x_ and $y$" in shown_in_terminal(comparison_terminal(comparison)).replace(" against ", " and ")
        heading = comparison_markdown(comparison).splitlines()[0]
        assert "[bold]_x_" in texts_of(heading)
        write_suite({"[bold]_x_": run, "$y$": other}, tmp_path / "suite")
        table = (tmp_path / "suite" / "tables" / "classes.csv").read_text(encoding="utf-8")
        assert "[bold]_x_" in table
        assert r"\$y\$" in (tmp_path / "suite" / "tables" / "classes.tex").read_text(encoding="utf-8")


class TestFigures:
    @settings(max_examples=5)
    @given(st.lists(TEXT, min_size=2, max_size=4, unique=True), TEXT)
    @example(THREE, "$x_$")
    @example(["\x1b[31m", "a\nb"], "a" * 500)
    def test_they_are_drawn_with_the_names_as_they_are(self, names, note):
        count = len(names)
        drawn = [
            figures.confusion_figure(np.eye(count), names, note),
            figures.unit_figure([{"unit": name, "n": 1, "WA": 0.5, "UAR": 0.5} for name in names], 0.5, note, names[0]),
            figures.scatter_figure([0, 1], [1, 0], note, names[0]),
            figures.residual_figure([0, 1], [1, 0], note, names[0]),
        ]
        cells = [Window(0.0, 2.0, names[0], 0.8, dict.fromkeys(names, 0.5)), Window(2.0, 3.0, None, None, None)]
        drawn.append(timeline_figure(Timeline(cells, segments(cells)), note))
        for figure in drawn:
            assert isinstance(figure, Figure)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph")  # our font does not have every script
                warnings.filterwarnings("ignore", "constrained_layout not applied")
                figure.savefig(io.BytesIO(), format="png", dpi=20)
        labels = [label.get_text() for label in drawn[0].axes[0].get_xticklabels()]
        assert labels == [figure_text(name) for name in names]


class TestSheets:
    @examples
    @given(TEXT)
    def test_a_sheet_shows_it_in_every_format(self, text):
        sheet = Sheet("t", f"Of {text}.", ["a", f"x{text}x"], [["b", f"x{text}x"]], [f"Of `b` and {markdown(text)}."])
        parts = sheet.markdown().split("\n\n")
        shown = ["".join(child.content for child in cell.children) for cell in cells_of(parts[1])]
        assert shown == ["a", f"x{visible(text)}x", "b", f"x{visible(text)}x"]
        assert list(csv.reader(io.StringIO(sheet.csv(), newline="")))[1] == ["b", f"x{text}x"]
        assert latex(f"x{text}x") in sheet.latex(f"command {text}")
        assert rf"Of \texttt{{b}} and {latex(text)}." in sheet.latex()
        assert sheet.latex(f"command {text}").count("\n") == sheet.latex("command").count("\n")


def test_classified_rows_are_shown_as_they_are():
    rows = [
        {"file": f"{name}.wav", "label": name, "probability": 0.5, "probabilities": {name: 0.5, "b": 0.3}}
        for name in ODD
    ]
    shown = shown_in_terminal(recordings._predictions_table(rows))
    for name in ODD:
        assert visible(name, lines=True).split("\n")[0] in shown


def test_tables_consoles_and_texts_of_rich_are_made_in_one_place():
    """What is printed by another way would be taken for markup."""
    files = [path for path in (ROOT / "ser_plugins").rglob("*.py") if path.name != "plain.py"]
    assert len(files) > 80
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("Console", "Text", "Panel")
            ):
                raise AssertionError(f"{path}:{node.lineno}: {node.func.id}; use ser_plugins.plain")


def test_predictions_keep_the_names(tmp_path):
    """Escapes are for showing: what is computed with stays as it is."""
    run = write_odd_run(tmp_path / "loso", ["[/b]", "=1+1", "a|b"])
    write_report(run)
    table = pd.read_csv(run / "predictions.csv")
    assert set(table["true"]) == {"[/b]", "=1+1", "a|b"}
    assert "[/b]" in results_markdown(aggregate(read_run(run))).replace("\\", "")
