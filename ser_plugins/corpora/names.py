"""When are two spellings one name? And what is no name at all?

One speaker under two spellings is two speakers to a program, and may be trained on and tested. So names of speakers,
sessions, videos, sentences and labels are compared by :func:`same_name`, and two spellings of one name are refused.
"""

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

# pandas' default list of missing values, and what else people write for "not known"; compared without case.
MISSING = {
    *(
        "#n/a",
        "#n/a n/a",
        "#na",
        "-1.#ind",
        "-1.#qnan",
        "-nan",
        "1.#ind",
        "1.#qnan",
        "<na>",
        "n/a",
        "na",
        "null",
        "nan",
    ),
    *("none", "nat", "nil", "n.a.", "undefined", "unknown", "missing", "not available", "(null)", "(none)", "(blank)"),
    *("?", "??", "???", "-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", "_", ".", "..", "...", "*", "/", "\\"),
}
REMEMBERED = 1 << 17  # names: a corpus' transcripts come again in every fold
_WHOLE_NUMBER = re.compile(r"(\W?\d+)[.,]0+")
# Marks, fillers and blanks that nobody sees; control and format characters (zero-width ones, soft hyphen) besides.
_INVISIBLE = re.compile(r"[\u034f\u115f\u1160\u180b-\u180d\u2800\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def is_name(value) -> bool:
    r"""Whether a value names something: text, or a finite number; no truth value, no list, and nothing missing.

    Example
    -------
    >>> [is_name(value) for value in ("anna", 3, 3.0, "Nancy", "none of them")]
    [True, True, True, True, True]
    >>> [is_name(value) for value in (None, float("nan"), True, ["anna"], "", " NaN ", "N/A", "None", "?", "\u200b")]
    [False, False, False, False, False, False, False, False, False, False]
    """
    if isinstance(value, str):
        text = _visible(value)
        return bool(text) and text not in MISSING
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value)


def same_name(value) -> str:
    r"""Return a key that is equal for all spellings of one name.

    Spellings differ in case, in composed or compatible characters (NFKC: full-width letters, ligatures), in characters
    that nobody sees, in zeros before a number or after its decimal point, and in what separates words and numbers:
    blanks, hyphens, dashes, underscores, other punctuation, or nothing. Words, numbers, signs, accents and symbols are
    what a name is.

    Example
    -------
    >>> {same_name(spelling) for spelling in ("spk01", "SPK01 ", "spk_1", "Spk-01", "spk\uff10\uff11")}
    {'spk_1'}
    >>> same_name("01") == same_name(1) == same_name("1.0") == same_name(1.0)
    True
    >>> [same_name(name) for name in ("1_11", "11_1", "-1", "C+", "C-")]
    ['1_11', '11_1', '-1', 'c_+', 'c-']
    """
    return _key(str(value))


@lru_cache(REMEMBERED)
def _key(text: str) -> str:
    text = _visible(text)
    if number := _WHOLE_NUMBER.fullmatch(text):
        text = number[1]
    runs = [(kind, "".join(run)) for kind, run in groupby(text, _kind)]
    words = [_plain_number(run) if kind == "number" else run for kind, run in runs if kind]
    negative = "-" if _is_dash(text[:1]) and text[1:2].isdecimal() else ""
    minus = "-" if _is_dash(text[1:][-1:]) else ""
    return negative + "_".join(words) + minus if words else text


def spellings(values: Iterable) -> list[list[str]]:
    """Return the names that occur in more than one spelling, each as its spellings.

    Example
    -------
    >>> spellings(["anna", "ben", "Anna", "anna"])
    [['anna', 'Anna']]
    """
    variants_of = defaultdict(dict)
    for value in values:
        variants_of[same_name(value)][str(value)] = None
    return [list(variants) for variants in variants_of.values() if len(variants) > 1]


def shown(spelling) -> str:
    r"""Quote a spelling so that two that look alike can be told apart.

    Example
    -------
    >>> print(shown("J\u00fcrgen"), shown("Ju\u0308rgen"), shown("ben\u200b"))
    'Jürgen' 'Ju\u0308rgen' 'ben\u200b'
    """
    text = str(spelling)
    return repr(text) if text.casefold() == _visible(text, strip=False) else ascii(text)


@lru_cache(REMEMBERED)
def _visible(text: str, strip=True) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = "".join(
        " " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")
    )
    text = _INVISIBLE.sub("", text)
    return text.strip() if strip else text


def _kind(character: str) -> str:
    """``word``, ``number``, the symbol itself, or nothing for what separates them."""
    category = unicodedata.category(character)
    if category == "Nd":
        return "number"
    if category[0] == "S" and not _is_dash(character):
        return character
    return "word" if category[0] in "LMN" else ""


def _is_dash(character: str) -> bool:
    return character == "\u2212" or (character != "" and unicodedata.category(character) == "Pd")  # or a minus sign


def _plain_number(digits: str) -> str:
    return "".join(str(unicodedata.decimal(digit)) for digit in digits).lstrip("0") or "0"
