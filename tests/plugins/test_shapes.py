"""The shapes that comments give, `# (batch, time, bins)`, are those of the tensors, while the docstrings' examples run.

A line that assigns one name and ends in such a comment is checked each time it has run: the tensor has as many
dimensions, and within a call one word stands for one size.
"""

import doctest
import re
import sys
from importlib import import_module

import pytest
import torch

MODULES = (
    "spectrogram", "encoders", "attention", "lsh_attention", "pooling", "classifier", "losses", "gru", "functionals",
    "whisper", "subwords", "text",
)  # fmt: skip
_COMMENT = re.compile(r"^\s*(\w+) = .*#\s*\(([^()]*)\)(?:,.*)?$")


def shapes_in(lines):
    """``{line number: (name, [words])}`` of the lines that give a shape."""
    found = {}
    for number, line in enumerate(lines, start=1):
        if match := _COMMENT.match(line):
            words = [word.strip() for word in match[2].split(",") if word.strip()]
            found[number] = match[1], words
    return found


class Watcher:
    """Compares tensors with the comments of one file; ``checked`` counts, ``wrong`` tells."""

    def __init__(self, path, lines):
        self.path, self.shapes = path, shapes_in(lines)
        self.checked, self.wrong = 0, []

    def trace(self, frame, event, _):
        if frame.f_code.co_filename != self.path:
            return None
        sizes, before = {}, [None]

        def follow(frame, event, _):
            if before[0] in self.shapes:
                self.compare(before[0], frame.f_locals, sizes)
            before[0] = frame.f_lineno if event == "line" else None
            return follow

        return follow

    def compare(self, number, values, sizes):
        name, words = self.shapes[number]
        value = values.get(name)
        if not isinstance(value, torch.Tensor):
            return
        self.checked += 1
        shape = tuple(value.shape)
        agrees = len(shape) == len(words)
        for word, size in zip(words, shape, strict=False):
            expected = int(word) if word.isdecimal() else sizes.setdefault(word, size)
            agrees = agrees and expected == size
        if not agrees:
            self.wrong.append(f"line {number}: {name} is {shape}, the comment says {words}, here {sizes}")


def watched(path, lines, run):
    watcher, before = Watcher(path, lines), sys.gettrace()
    sys.settrace(watcher.trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return watcher


@pytest.mark.parametrize("name", MODULES)
def test_tensors_have_the_shapes_of_the_comments(name):
    module = import_module(f"ser_plugins.{name}")
    with open(module.__file__, encoding="utf-8") as file:
        lines = file.read().splitlines()
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, verbose=False)
    tests = doctest.DocTestFinder().find(module)
    watcher = watched(module.__file__, lines, lambda: [runner.run(test, out=lambda _: None) for test in tests])
    assert watcher.wrong == []
    assert watcher.checked or not watcher.shapes


def test_a_wrong_comment_is_found(tmp_path):
    source = "def double(x):\n    y = x * 2  # (batch, time)\n    z = y.T  # (batch, time)\n    return z\n"
    values = {}
    exec(compile(source, "double.py", "exec"), values)
    assert watched("double.py", source.splitlines(), lambda: values["double"](torch.zeros(2, 2))).wrong == []
    (told,) = watched("double.py", source.splitlines(), lambda: values["double"](torch.zeros(2, 3))).wrong
    assert "line 3: z is (3, 2)" in told
