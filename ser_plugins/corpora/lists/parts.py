"""What people call the parts of a corpus, and which part of which fold a file is by its name."""

import re
from collections.abc import Iterable
from pathlib import PurePath

PARTS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "devel", "development"), "valid"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation"), "test"),
}
_WORDS = re.compile(r"[^\W\d_]+")


def place_of(path) -> tuple[tuple[str, ...], str] | None:
    """The fold and the part that a relative path names; None where it names no part.

    Returns
    -------
    tuple
        What is left of each piece of the path, and ``train``, ``valid`` or ``test``.

    Example
    -------
    >>> place_of("fold1/train.csv"), place_of("fold_1_dev.csv"), place_of("test/1.txt")
    ((('fold1',), 'train'), (('fold_1',), 'valid'), (('1',), 'test'))
    >>> place_of("fold_1/iemocap_test_fold_1.jsonl"), place_of("latest.csv")
    ((('fold_1', 'iemocap_fold_1'), 'test'), None)
    """
    path = PurePath(path)
    text = path.with_suffix("").as_posix()
    words = [found for found in _WORDS.finditer(text) if found[0].lower() in PARTS]
    if not words:
        return None
    last = words[-1]
    rest = f"{text[: last.start()]}\0{text[last.end() :]}"
    pieces = [re.sub(r"[\W_]*\0[\W_]*", "_", piece).strip("_-. ") for piece in rest.split("/")]
    return tuple(piece for piece in pieces if piece), PARTS[last[0].lower()]


def short_names(places: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """A name for each place: its first piece that no other has in the same position, else all of it.

    Example
    -------
    >>> short_names([("fold_1", "iemocap_fold_1"), ("fold_2", "iemocap_fold_2")])
    {('fold_1', 'iemocap_fold_1'): 'fold_1', ('fold_2', 'iemocap_fold_2'): 'fold_2'}
    >>> short_names([()])
    {(): 'all'}
    """
    places = list(dict.fromkeys(places))
    for position in range(max(map(len, places), default=0)):
        pieces = [place[position] for place in places if len(place) > position]
        if len(set(pieces)) == len(places):
            return dict(zip(places, pieces, strict=True))
    return {place: "/".join(place) or "all" for place in places}
