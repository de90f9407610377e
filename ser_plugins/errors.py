"""Errors written for people: what we got, what we expected, what to do.

Every complaint about *input* (a path, a file, an option, a YAML key) is a :class:`SerError`, so that the command line
can print one clear line instead of a traceback. Broken invariants of our own stay plain ``assert`` or Python errors.
"""

from ser_plugins.plain import visible


class SerError(ValueError):
    """Bad input, said in three parts.

    Arguments
    ---------
    got : str
        What was found, with the file and the id where there is one.
    expected : str
        What would have been right; all the options when there are several.
    remedy : str
        What to do next.

    Example
    -------
    >>> print(SerError(got="front_end='fsat'", expected="one of fast, none", remedy="correct the YAML key"))
    got: front_end='fsat'; expected: one of fast, none; remedy: correct the YAML key
    """

    def __init__(self, *, got: str, expected: str, remedy: str) -> None:
        self.got, self.expected, self.remedy = got, expected, remedy
        super().__init__(visible(f"got: {got}; expected: {expected}; remedy: {remedy}", lines=True))

    def __reduce__(self):
        # Keyword-only arguments do not survive Exception's own pickling, and errors cross process borders here.
        return _rebuild, (type(self), self.got, self.expected, self.remedy)


def _rebuild(kind, got, expected, remedy):
    return kind(got=got, expected=expected, remedy=remedy)


class MissingPathError(SerError, FileNotFoundError):
    """A file or folder that was named is not there."""


class AudioError(SerError):
    """An audio file or waveform that cannot be used: unreadable, empty, not finite."""
