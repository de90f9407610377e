"""An Ogg whose first page is wrong is an error like any other, for files and uploads."""

import io
import struct

import pytest

from ser_plugins.errors import AudioError
from ser_plugins.sound.ogg import FIRST, _checksum
from ser_plugins.sound.read import read_blocks


def page(flags, body=b"sound"):
    content = bytearray(b"OggS\0" + struct.pack("<BqIIIBB", flags, 0, 1, 0, 0, 1, len(body)) + body)
    content[22:26] = struct.pack("<I", _checksum(content))
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        (b"OggS" + bytes(23)) * 100,  # wrong check sums
        page(0) * 3,  # a stream that never began
        page(FIRST) + page(0) * 3,  # numbers that do not go on
        page(FIRST) + bytes(50),
        page(FIRST)[:-1],
    ],
)
def test_an_ogg_of_wrong_pages_is_refused(content):
    with pytest.raises(AudioError):
        list(read_blocks(io.BytesIO(content))[1])
