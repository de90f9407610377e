"""What is said in recordings, as a model that reads may be told it."""

from collections.abc import Iterable, Sequence

from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.subwords import pieces_of
from ser_plugins.text import READERS, TextEncoder


def one_for_each(texts: Sequence[str | None] | None, recordings: int) -> list[str | None]:
    """A text or None for each recording.

    Example
    -------
    >>> one_for_each(None, 2), one_for_each(["yes"], 1)
    ([None, None], ['yes'])
    """
    texts = [None] * recordings if texts is None else list(texts)
    if len(texts) != recordings or not all(text is None or isinstance(text, str) for text in texts):
        raise SerError(
            got=f"{len(texts)} texts for {recordings} recordings",
            expected="a text for each, or None where nobody has written it down",
            remedy="give as many texts as recordings",
        )
    return texts


def use_of_text(members: Iterable[nn.ModuleDict]) -> str:
    """Whether a model takes what is said: ``none``, ``optional`` or ``required``.

    Example
    -------
    >>> use_of_text([nn.ModuleDict({"embedding_model": nn.Identity()})])
    'none'
    """
    encoders = [member["embedding_model"] for member in members]
    if any(isinstance(encoder, TextEncoder) for encoder in encoders):
        return "required"
    return "optional" if any(isinstance(encoder, READERS) for encoder in encoders) else "none"


def check_texts(members: Iterable[nn.ModuleDict], texts: Sequence[str | None]) -> None:
    """Raise :class:`SerError` for text that no member of a model reads, or that is too long; none where one only reads.

    Example
    -------
    >>> check_texts([nn.ModuleDict({"embedding_model": nn.Identity()})], ["good morning"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: text for a model that hears alone; ...
    """
    members = list(members)
    use = use_of_text(members)
    if any(texts) and use == "none":
        raise SerError(
            got="text for a model that hears alone", expected="a model that reads", remedy="leave the text out"
        )
    if not all(texts) and use == "required":
        raise SerError(
            got="no text for a model that reads alone",
            expected="what is said in the recording",
            remedy='give it: predict(sound, text="..."), ser classify --text "..."',
        )
    for member in members:
        pieces_of(member, texts)
