"""The one file of a form (``curl -F file=@speech.wav``), taken out of the body as it comes."""

from collections.abc import Callable
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ser_plugins.service.uploads import Refusal

FORM = "multipart/form-data"
FIELD = "file"


class Form:
    r"""Reads ``multipart/form-data`` (RFC 7578) piece by piece and passes on what its field ``file`` holds.

    Nothing of it is kept here; the parser bounds number and length of a part's headers.

    Arguments
    ---------
    content_type : str
        Of the request, with the boundary.
    write : callable
        Takes the bytes of the file.

    Raises
    ------
    Refusal
        No form, or not one of a single field ``file``.

    Example
    -------
    >>> content = []
    >>> form = Form("multipart/form-data; boundary=x", content.append)
    >>> form.feed(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRI')
    >>> form.feed(b'FF\r\n--x--\r\n')
    >>> form.close()
    >>> b"".join(content)
    b'RIFF'
    """

    def __init__(self, content_type: str, write: Callable):
        self.write = write
        self.files = 0
        self.ended = False
        self.header, self.headers = (b"", b""), {}
        _, options = parse_options_header(content_type)
        callbacks: Any = {
            "on_header_field": lambda data, start, end: self._extend(data[start:end], b""),
            "on_header_value": lambda data, start, end: self._extend(b"", data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_part,
            "on_part_data": lambda data, start, end: self.write(data[start:end]),
            "on_end": self._end,
        }
        try:
            self.parser = MultipartParser(options.get(b"boundary", b""), callbacks)
        except FormParserError as error:
            raise _no_form(error) from None
        if not options.get(b"boundary"):
            raise _no_form("no boundary")

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self.parser.write(piece)
        except FormParserError as error:
            raise _no_form(error) from None

    def close(self) -> None:
        """Say that this was all."""
        if not (self.ended and self.files):
            raise _no_form("its end is missing" if self.files else f"no field {FIELD}")

    def _extend(self, name, value):
        self.header = (self.header[0] + name, self.header[1] + value)

    def _end_header(self):
        self.headers[self.header[0].lower()] = self.header[1]
        self.header = (b"", b"")

    def _begin_part(self):
        _, options = parse_options_header(self.headers.get(b"content-disposition"))
        self.headers = {}
        name = options.get(b"name", b"").decode(errors="replace")
        if name != FIELD:
            raise Refusal(
                422,
                got=f"a form with the field {name[:80]!r}",
                expected=f"one field, {FIELD}; parameters stand in the address",
                remedy="curl -F file=@speech.wav URL?window=3",
            )
        self.files += 1
        if self.files > 1:
            raise Refusal(422, got="a form with two files", expected="one", remedy="send a request for each")

    def _end(self):
        self.ended = True


def is_form(content_type: str) -> bool:
    """Whether the body is announced as a form with files."""
    return content_type.split(";")[0].strip().lower() == FORM


def _no_form(reason):
    return Refusal(
        422,
        got=f"a form that cannot be read: {reason}",
        expected=f"{FORM} with one field, {FIELD}",
        remedy="curl -F file=@speech.wav URL, or curl --data-binary @speech.wav URL",
    )
