"""The text of an exported model's ``label_encoder.ckpt``, in the format of SpeechBrain's ``CategoricalEncoder``.

It has a line ``'anger' => 0`` for each class. SpeechBrain cuts a line at its first ``=>`` with blanks around
it, so in a label that holds one the equals sign is written as an escape, which both readers undo.
"""

import ast
import re

from ser_plugins.errors import SerError

_END = "================\n'starting_index' => 0\n"
_LINE = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") => (0|[1-9]\d{0,3})""")


def write_labels(labels) -> str:
    r"""The text of the file.

    Raises
    ------
    SerError
        For no labels, or labels that no reader could tell apart: empty ones, repeated ones, halves of a character.

    Example
    -------
    >>> print(write_labels(["anger", "a => 1"]), end="")
    'anger' => 0
    'a \x3d> 1' => 1
    ================
    'starting_index' => 0
    """
    labels = list(labels)
    whole = all(isinstance(label, str) and label and _is_text(label) for label in labels)
    if not labels or not whole or len(set(labels)) < len(labels):
        raise SerError(
            got=f"labels {labels!a}",
            expected="one label or more, each a text of its own",
            remedy="correct the labels of the corpus",
        )
    return "".join(f"{_literal(label)} => {index}\n" for index, label in enumerate(labels)) + _END


def read_labels(content: bytes, path) -> tuple:
    r"""Read what :func:`write_labels` has written.

    Raises
    ------
    SerError
        For anything else.

    Example
    -------
    >>> read_labels(write_labels(["it's", " b\n"]).encode(), "label_encoder.ckpt")
    ("it's", ' b\n')
    """
    try:
        text = content.decode("utf-8")
        lines = (_LINE.fullmatch(line) for line in text.removesuffix(_END).split("\n")[:-1])
        labels = [ast.literal_eval(line[1]) for line in lines if line]
        if write_labels(labels) == text:
            return tuple(labels)
        reason = f"{len(labels)} such lines, and others"
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        reason = error.got if isinstance(error, SerError) else str(error)
    raise SerError(
        got=f"{path}: {reason[:200]}",
        expected="one line 'label' => index per class, in order, as ser export writes them",
        remedy="export the model again",
    )


def _literal(label: str) -> str:
    literal = repr(label)
    return literal.replace("=", r"\x3d") if " => " in literal else literal


def _is_text(label: str) -> bool:
    try:
        label.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
