"""Ogg: every page is looked at, to the end of the file (RFC 3533, section 6).

A page names its stream, its number in it, and a check sum; the last one of a stream bears a mark. Some programs leave
the mark out. Then the file is whole when its last page is one that nobody would have ended there had more sound
followed: it has room for more, or its sound ends within a packet. A file that was cut right behind a full page cannot
be told from a whole one whose last page happens to be full; it counts as cut.
"""

import struct
import zlib
from dataclasses import dataclass, field

from ser_plugins.sound.layout import Layout, Stream
from ser_plugins.sound.tags import is_silent_rest, read_at

CAPTURE = b"OggS"
FIRST, LAST = 2, 4  # flags of a page
FULL_BODY = 4096  # bytes from which libogg, hence almost everybody, ends a page
UNFILLED = 0.95  # of the shortest page before it: a last page that is shorter was not full
LONGEST_PAGE = 48000  # samples of Opus that most programs put into a page at most: a second
SHORTEST_PACKET = 120  # samples of Opus, at 48 kHz: 2.5 ms
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass
class _Page:
    start: int
    end: int
    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes
    body: int  # bytes


@dataclass
class _Link:
    """The streams that begin together at byte ``start``. The pages of the first one are kept: (samples, bytes)."""

    start: int
    numbers: dict = field(default_factory=dict)  # of the next page, by serial
    ended: set = field(default_factory=set)
    beginning: bool = True  # no page yet but first ones
    opus: bool = False
    granule: int = 0
    pages: list = field(default_factory=list)
    last: _Page | None = None

    def add(self, page) -> str:
        """Take a page in; what is wrong with it."""
        begins = bool(page.flags & FIRST)
        expected = self.numbers.get(page.serial)
        if (expected is None) != begins:
            return "an Ogg page belongs to no stream that has begun"
        if expected is not None and page.number != expected:
            return f"Ogg page {expected} is missing"
        self.beginning = self.beginning and begins
        self.numbers[page.serial] = (page.number + 1) & 0xFFFFFFFF
        if page.flags & LAST:
            self.ended.add(page.serial)
        if page.serial == next(iter(self.numbers)) and page.granule > 0:
            self.pages.append((page.granule - self.granule, page.body))
            self.granule = page.granule
        self.last = page
        return ""

    @property
    def complete(self) -> bool:
        """Whether all of its streams have had their last page."""
        return self.ended == set(self.numbers)


def examine_ogg(file, start: int, end: int) -> Layout:
    """Walk over the pages from ``start`` to ``end``."""
    links = []
    position = start
    damage = ""
    while position < end:
        page, damage = _read_page(file, position, end)
        if page is None:
            if links and links[-1].complete and is_silent_rest(file, position, end):
                damage = ""
            break
        if not links or (page.flags & FIRST and not links[-1].beginning):
            if links and not _ends_there(links[-1]):
                break
            links.append(_Link(position))
            links[-1].opus = read_at(file, page.end - page.body, 8) == b"OpusHead"
        damage = links[-1].add(page)
        if damage:
            break
        position = page.end
    if not damage and links and not _ends_there(links[-1]):
        damage = "the last Ogg page lacks the mark of the end"
    links = [link for link in links if link.last]  # without one whose first page is wrong
    if not links:
        return Layout((Stream(),), damage)
    borders = [*(link.start for link in links[1:]), position]
    whole = not damage and len(links) == 1 and start == 0 and links[0].complete
    streams = [Stream()] if whole else [_stream(file, *pair) for pair in zip(links, borders, strict=True)]
    return Layout(tuple(streams), damage)


def _stream(file, link, end) -> Stream:
    """The pages of a link, the last of which gets the mark that decoders look for."""
    if link.complete or len(link.numbers) > 1:
        return Stream(((link.start, end),))
    content = bytearray(read_at(file, link.last.start, link.last.end - link.last.start))
    content[5] |= LAST
    content[22:26] = struct.pack("<I", _checksum(content))
    return Stream(((link.start, link.last.start), bytes(content)))


def _ends_there(link) -> bool:
    """Whether a link ends with its last page, which may lack the mark."""
    if link.complete or len(link.numbers) > 1:
        return True
    last = link.last
    if not link.pages or last.granule != link.granule or last.lacing[-1:] == b"\xff" or len(last.lacing) == 255:
        return False  # nothing but headers, a packet that goes on, or a page that can hold no more
    *earlier, (samples, body) = link.pages
    if link.opus and samples % SHORTEST_PACKET and earlier:
        return True  # the sound ends within a packet
    if len(earlier) > 1:
        earlier = earlier[1:]  # the first one may count from elsewhere
    lengths = [length for length, _ in earlier]
    if link.opus and not lengths:
        lengths = [LONGEST_PAGE]
    if lengths and max(lengths) <= 1.05 * min(lengths):  # pages of equal time
        return samples < UNFILLED * min(lengths)
    return body < UNFILLED * min([FULL_BODY, *(size for _, size in earlier)])  # pages of equal size


def _read_page(file, position, end) -> tuple[_Page | None, str]:
    """The page at ``position``, or None and what is wrong."""
    head = read_at(file, position, 27)
    if head[:4] != CAPTURE:
        return None, "what follows is no Ogg page"
    if len(head) < 27:
        return None, "the file ends in the middle of an Ogg page"
    _, flags, granule, serial, number, crc, segments = struct.unpack("<BBqIIIB", head[4:])
    lacing = read_at(file, position + 27, segments)
    body = sum(lacing)
    last = position + 27 + segments + body
    if len(lacing) < segments or last > end:
        return None, "the file ends in the middle of an Ogg page"
    content = read_at(file, position, last - position)
    if _checksum(content) != crc:
        return None, "an Ogg page is damaged: its check sum is wrong"
    return _Page(position, last, flags, granule, serial, number, lacing, body), ""


def _checksum(page) -> int:
    """0x04c11db7 from the highest bit on, from 0, with zeros in place of the sum itself.

    ``zlib.crc32`` has the same polynomial from the lowest bit on, and inverts before and after.
    """
    content = bytes(page[:22]) + bytes(4) + bytes(page[26:])
    crc = zlib.crc32(content.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
