"""Containers of films, which hold sound as well, and files that ffmpeg alone decodes: is all of the file there?

Sources: ISO/IEC 14496-12 (boxes of MP4 and QuickTime), RFC 8794 and 9559 (elements of Matroska and WebM), ISO/IEC
13818-7 (ADTS, the frames of AAC), RFC 4867 (AMR).
"""

import re

from ser_plugins.sound.layout import Layout, Stream
from ser_plugins.sound.tags import BLOCK, is_silent_rest, read_at, tag_end

BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")  # that such a file may begin with
EBML, SEGMENT, CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
AMR_NARROW, AMR_WIDE = b"#!AMR\n", b"#!AMR-WB\n"
AMR_BYTES = {  # of a frame, by the four bits of its mode
    AMR_NARROW: (13, 14, 16, 18, 20, 21, 27, 32, 6, 7, 6, 6, 1, 1, 1, 1),
    AMR_WIDE: (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1),
}
MARKS = {  # how a file begins
    "flv": re.compile(rb"FLV\x01[\x01\x04\x05]\0\0\0\x09"),
    "asf": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    "tta": re.compile(rb"TTA1[\x01\x03]\0[\x01-\x08]\0[\x08-\x20]\0"),
}
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # after 24 bytes comes the length of the file
CUT = "the file ends in the middle of {}"
FOLLOWED = "another recording follows in the same file"


def examine_boxes(file, end: int) -> Layout:
    """MP4, M4A, QuickTime: boxes to the end of the file."""
    position = 0
    names = set()
    while position < end:
        head = read_at(file, position, 16)
        length = int.from_bytes(head[:4], "big")
        name = head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:  # to the end
            length = end - position
        if len(head) < 8 or length < 8:
            return _verdict("" if is_silent_rest(file, position, end) else CUT.format("a box of MP4"))
        if name == b"ftyp" and b"moov" in names:
            return _verdict(FOLLOWED)
        if position + length > end:
            return _verdict(CUT.format("a box of MP4"))
        names.add(name)
        position += length
    return _verdict("")


def examine_elements(file, end: int) -> Layout:
    """Matroska, WebM: elements to the end of the file; those of unknown length are walked through."""
    position = 0
    while position < end:
        name, length, body = _element(file, position)
        if name is None:
            return _verdict("" if is_silent_rest(file, position, end) else CUT.format("an element of Matroska"))
        if name == EBML and position:
            return _verdict(FOLLOWED)
        is_known = length is not None
        if not is_known and name not in (SEGMENT, CLUSTER):
            return _verdict("an element of Matroska is damaged")
        if is_known and body + length > end:
            return _verdict(CUT.format("an element of Matroska"))
        position = body if name == SEGMENT or not is_known else body + length
    return _verdict("")


def _element(file, position):
    """Name, length (None for unknown) and place of the content of an element; name None where there is none."""
    head = read_at(file, position, 12)
    width = 9 - head[0].bit_length() if head else 9
    if width > 4 or len(head) <= width:
        return None, None, None
    lead = head[width]
    size = 9 - lead.bit_length()
    if size > 8 or len(head) < width + size:
        return None, None, None
    length = int.from_bytes(head[width : width + size], "big") & ((1 << 7 * size) - 1)
    return head[:width], None if length == (1 << 7 * size) - 1 else length, position + width + size


def is_adts(head: bytes) -> bool:
    """Whether these are the first bytes of a frame of AAC."""
    return len(head) >= 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and _adts_length(head) > 7


def examine_adts(file, start: int, end: int) -> Layout:
    """AAC as it is streamed: frames to the end of the file."""
    return _walk(file, start, end, "a frame of AAC", lambda head: _adts_length(head) if is_adts(head) else 0)


def _adts_length(head):
    return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5


def examine_amr(file, end: int) -> Layout:
    """AMR, as telephones record it: frames to the end of the file."""
    magic = next(magic for magic in AMR_BYTES if read_at(file, 0, len(magic)) == magic)
    lengths = AMR_BYTES[magic]
    return _walk(
        file, len(magic), end, "a frame of AMR", lambda head: 0 if head[0] & 0x83 else lengths[head[0] >> 3 & 15]
    )


def examine_avi(file, end: int) -> Layout:
    """AVI: the header says how long it is, up to 1 GiB, after which another part follows."""
    declared = 8 + int.from_bytes(read_at(file, 4, 4), "little")
    return _verdict(CUT.format("a chunk of AVI") if declared > end else "")


def examine_marks(file, end: int, kind: str) -> Layout:
    """FLV, ASF, TTA: the decoder knows the length; whether another one follows is looked for."""
    mark = MARKS[kind]
    position = 0
    properties = read_at(file, 0, 1 << 16).partition(ASF_PROPERTIES)[2] if kind == "asf" else b""
    if int.from_bytes(properties[24:32], "little") > end:
        return _verdict(CUT.format("a packet of ASF"))
    while position < end:
        block = read_at(file, position, min(BLOCK, end - position))
        if any(position + match.start() > 0 for match in mark.finditer(block)):
            return _verdict(FOLLOWED)
        position += max(1, len(block) - 15)
    return _verdict("")


def _walk(file, position, end, what, length_of) -> Layout:
    while position < end:
        head = read_at(file, position, 9)
        length = length_of(head)
        if length == 0:
            after = tag_end(file, position, end)
            if is_silent_rest(file, position, end):
                break
            if after == position:
                return _verdict(f"{what} is damaged or missing")
            length = after - position
        if position + length > end:
            return _verdict(CUT.format(what))
        position += length
    return _verdict("")


def _verdict(damage) -> Layout:
    return Layout((Stream(),), damage)
