"""What a walk through a sound file finds: the streams in it, and what is wrong behind the last of them."""

import io
from dataclasses import dataclass


@dataclass(frozen=True)
class Stream:
    """One stream of a file, as a decoder is to be given it.

    Arguments
    ---------
    pieces : tuple
        The stream put together: ``bytes``, and (start, end) in bytes of the file. Empty for the file as it is.
    promised : float
        Length that the header promises, relative to what is there.
    frames : int
        Fewest frames (samples per channel) that have to be decoded; 0 where only the decoder knows.

    Example
    -------
    >>> stream = Stream(pieces=(b"header ", (2, 5)))
    >>> stream.open(io.BytesIO(b"0123456789")).read()
    b'header 234'
    """

    pieces: tuple = ()
    promised: float = 1.0
    frames: int = 0

    def open(self, file):
        """Return a binary file of the pieces of ``file``, which it closes in the end."""
        return Splice(file, self.pieces)


@dataclass(frozen=True)
class Layout:
    """The streams that lie behind one another in a file.

    Arguments
    ---------
    streams : tuple of Stream
        Up to the first damage.
    damage : str
        What is wrong behind the last stream, in words; empty for nothing.
    kind : str, optional
        Ffmpeg's name of a format that libsndfile does not know.
    mp3 : bool
        Whether libmpg123 will decode it, which has to be kept quiet.
    """

    streams: tuple = (Stream(),)
    damage: str = ""
    kind: str | None = None
    mp3: bool = False


class Splice(io.RawIOBase):
    """A file put together of bytes and of pieces of another file; only the piece that is read is in memory.

    Arguments
    ---------
    file : seekable binary file
        Closed with this one.
    pieces : iterable of bytes or tuple of int
        Bytes, and (start, end) of ``file``.
    """

    def __init__(self, file, pieces):
        super().__init__()
        self.file = file
        self.position = 0
        self.size = 0
        self.places = []  # (first byte here, length, bytes or start in the file)
        for piece in pieces:
            length = len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
            self.places.append((self.size, length, piece if isinstance(piece, bytes) else piece[0]))
            self.size += length

    def readable(self):
        """Yes."""
        return True

    def seekable(self):
        """Yes."""
        return True

    def tell(self):
        """The place of the next byte."""
        return self.position

    def seek(self, offset, whence=io.SEEK_SET):
        """Go to a place, as in any file."""
        self.position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence])
        return self.position

    def readinto(self, buffer):
        """Fill ``buffer`` as far as the file goes."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view):
            content = self._content(len(view) - filled)
            if not content:
                break
            view[filled : filled + len(content)] = content
            filled += len(content)
            self.position += len(content)
        return filled

    def _content(self, length):
        """Up to ``length`` bytes at the position, of one piece."""
        for begin, size, content in self.places:
            offset = self.position - begin
            if 0 <= offset < size:
                length = min(length, size - offset)
                if isinstance(content, bytes):
                    return content[offset : offset + length]
                self.file.seek(content + offset)
                return self.file.read(length)
        return b""

    def close(self):
        """Close the other file as well."""
        if not self.closed:
            self.file.close()
        super().close()
