r"""A stranger's text, shown as text: labels, speakers, file names and messages are not markup, wherever they appear.

One function for each place: :func:`visible` for anything that reaches a terminal, :func:`terminal` and
:func:`terminal_table` for rich, :func:`markdown` for reports, :func:`latex` for LaTeX, :func:`csv_cell` for tables that
spreadsheets open, :func:`figure_text` for matplotlib.

Text that is meant as markup says so: it is a :class:`Markup`, made by :func:`bold` or :func:`code`.
"""

import re
import unicodedata

_KEPT = {"\u200c", "\u200d"}  # the joiners, which scripts and emoji are written with


class Markup(str):
    """Markdown that is meant as markdown; :func:`markdown` leaves it as it is."""

    __slots__ = ()


def visible(text: str, *, lines: bool = False) -> str:
    r"""Text with every character that would act instead of showing written as an escape.

    Control characters (ESC, which moves the cursor and colours; newlines), marks that turn the direction of writing,
    and halves of surrogate pairs, which cannot be written at all.

    Arguments
    ---------
    text : str
        Any text.
    lines : bool
        Keep newlines.

    Example
    -------
    >>> print(visible("an\x1b[31mger\n"))
    an\x1b[31mger\n
    """
    return "".join(
        character if _shows(character) or (lines and character == "\n") else _escape(character) for character in text
    )


def _shows(character) -> bool:
    category = unicodedata.category(character)
    return character in _KEPT or not (category[0] == "C" or category in ("Zl", "Zp"))


def _escape(character) -> str:
    return character.encode("unicode_escape").decode("ascii")


def counted(number: int, noun: str) -> str:
    """A number of things.

    Example
    -------
    >>> counted(1, "core"), counted(12_000, "turn")
    ('1 core', '12,000 turns')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def terminal(text, style: str = ""):
    """Return a ``rich.text.Text``: no markup, no emoji codes, nothing that acts."""
    from rich.text import Text

    return Text(visible(str(text), lines=True), style=style)


def console(**options):
    """Return a ``rich.console.Console`` to which a printed string is text, and not markup."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, **options)


def terminal_table(title: str, header, rows, *, style: str = "bold", styles=()):
    """Return a ``rich.table.Table`` of texts: the first column on the left, the others on the right.

    Arguments
    ---------
    title : str
        Above the table.
    header : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        One cell per column.
    style : str
        Of the title.
    styles : sequence of str
        One per row, where rows have styles.
    """
    from itertools import zip_longest

    from rich.table import Table

    table = Table(title=terminal(title, style), title_justify="left")
    for place, name in enumerate(header):
        table.add_column(terminal(name), justify="right" if place else "left")
    for row, row_style in zip_longest(rows, styles, fillvalue=""):
        table.add_row(*map(terminal, row), style=row_style)
    return table


# What begins something in CommonMark or on GitHub; a mark alone, as in "p < 0.05" or "3 * 4", begins nothing.
_BEGINS = re.compile(
    r"""
    \\(?=[!-/:-@\[-`{-~]|$)              # a backslash before punctuation
    | [`\[$]
    | \*(?!\s) | (?<!\s)\*               # emphasis
    | (?<![^\W_])_(?!\s) | (?<!\s)_(?![^\W_])
    | ~(?=~) | (?<=~)~                   # struck through
    | <(?=[a-zA-Z/!?])                   # HTML
    | &(?=\#?\w+;)                       # an entity
    """,
    re.VERBOSE,
)


def markdown(text) -> str:
    r"""Text for markdown, in one line; what is a :class:`Markup` stays as it is.

    Example
    -------
    >>> print(markdown("bigru_mha, _sad_, <b>, p < 0.05, [a](b)"))
    bigru_mha, \_sad\_, \<b>, p < 0.05, \[a](b)
    """
    if isinstance(text, Markup):
        return text
    return Markup(_BEGINS.sub(lambda found: "\\" + found[0], visible(str(text))))


def bold(text) -> Markup:
    """Text in bold, for markdown."""
    return Markup(f"**{markdown(text)}**")


def code(text) -> Markup:
    r"""Text as code, for markdown: between more backticks than it holds in a row.

    Example
    -------
    >>> print(code("ser report a"), code("a`b"))
    `ser report a` ``a`b``
    """
    text = visible(str(text))
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return Markup(f"{fence}{room}{text}{room}{fence}")


_MARKED = re.compile(r"\\([!-/:-@\[-`{-~])|(`+)(.*?[^`])\2(?!`)|\*\*(.+?)\*\*")


def unmarked(text: str, code=lambda inside: inside, bold=lambda inside: inside, plain=lambda inside: inside) -> str:
    r"""Text of markdown as :func:`markdown`, :func:`bold` and :func:`code` write it.

    Arguments
    ---------
    text : str
        Markdown.
    code, bold, plain : callable
        What becomes of the parts, for other markup than none.

    Example
    -------
    >>> unmarked(r"**Despite** `ab` of \[x]")
    'Despite ab of [x]'
    """
    parts, end = [], 0
    for found in _MARKED.finditer(text):
        parts.append(plain(text[end : found.start()]))
        end = found.end()
        mark, fence, inside, strong = found.groups()
        if mark:
            parts.append(plain(mark))
        elif fence:
            parts.append(code(inside.strip() if "`" in inside else inside))
        else:
            parts.append(bold(unmarked(strong, code, bold, plain)))
    return "".join([*parts, plain(text[end:])])


_LATEX: dict[str, str | int | None] = {
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}",
    "–": "--", "±": r"$\pm$", "−": "$-$", "·": r"$\cdot$", "…": r"\dots{}", "<": r"$<$", ">": r"$>$", "²": "$^2$",
    "[": "{[}", "]": "{]}",  # after \\ a bracket would be its argument
}  # fmt: skip


def latex(text) -> str:
    r"""Text for LaTeX, in one line.

    Example
    -------
    >>> print(latex("bigru_mha: 50 % ± 3 – 4"))
    bigru\_mha: 50 \% $\pm$ 3 -- 4
    """
    return visible(str(text)).translate(str.maketrans(_LATEX))


def csv_cell(text) -> str:
    """Text for a table that a spreadsheet may open: what it would take for a formula begins with an apostrophe.

    Numbers stay as they are.

    Example
    -------
    >>> csv_cell("=1+1"), csv_cell("-0.5"), csv_cell("joy")
    ("'=1+1", '-0.5', 'joy')
    """
    text = str(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not _is_number(text) else text


def _is_number(text) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def figure_text(text, width: int = 40) -> str:
    r"""Text for a figure: no control characters, and cut where it would push the drawing off the page.

    That ``$x$`` is no formula is in the figures' style (``text.parse_math``).

    Arguments
    ---------
    text : str
        A name.
    width : int
        The most characters.

    Example
    -------
    >>> figure_text("a\tb"), len(figure_text("a" * 100))
    ('a\\tb', 40)
    """
    text = visible(str(text))
    return text if len(text) <= width else text[: width - 1] + "…"


def figure_title(text) -> str:
    """Text for the title of a figure."""
    return figure_text(text, width=120)
