"""FLAC: the last frame is looked for, and how much sound there is by its number (RFC 9639, sections 8 and 9)."""

from itertools import pairwise

from ser_plugins.sound.layout import Layout, Stream
from ser_plugins.sound.tags import BLOCK, read_at

MARKER = b"fLaC\x00\x00\x00\x22"  # and the block that describes the stream, which is the first: 34 bytes
MARKER_LAST = b"fLaC\x80\x00\x00\x22"  # the same, when no other block follows
TOTAL = 8 + 13  # bytes before the 36 bits that hold the number of samples
LONGEST_FRAME = 1 << 22  # bytes; 65,535 samples of 8 channels of 32 bits, uncompressed, are half of that
BLOCK_SIZES = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}


def examine_flac(file, start: int, end: int) -> Layout:
    """Find the FLAC streams behind one another from ``start`` to ``end``, and complete their headers."""
    borders = [start, *_markers(file, start + 4, end), end]
    streams = []
    damage = ""
    for begin, finish in pairwise(borders):
        stream, damage = _examine(file, begin, finish, whole=begin == 0 and finish == end)
        streams.append(stream)
        if damage:
            break
    return Layout(tuple(streams), damage)


def _markers(file, position, end):
    """Where further streams begin."""
    overlap = len(MARKER) - 1
    while position < end:
        block = read_at(file, position, min(BLOCK, end - position))
        for marker in (MARKER, MARKER_LAST):
            place = block.find(marker)
            while place >= 0:
                yield position + place
                place = block.find(marker, place + 1)
        position += len(block) - overlap if len(block) > overlap else max(1, len(block))


def _examine(file, start, end, whole) -> tuple[Stream, str]:
    head = bytearray(read_at(file, start, 42))
    as_it_is = Stream(() if whole else ((start, end),))
    if len(head) < 42:
        return as_it_is, ""
    total = int.from_bytes(head[TOTAL : TOTAL + 5], "big") & 0xFFFFFFFFF
    largest = int.from_bytes(head[12:15], "big") or LONGEST_FRAME
    length = min(end - start, LONGEST_FRAME, 2 * largest + 4096)
    tail = read_at(file, end - length, length)
    last_frame = _last_frame(tail, head)
    if last_frame is None:
        return as_it_is, ""
    place, first_sample, block = last_frame
    if total > 0 and first_sample + block <= total:
        return as_it_is, ""  # the decoder counts, and tells what is missing
    if total > 0 and not _is_whole(tail[place:]):
        return as_it_is, ""  # no frame, but what looks like one
    damage = ""
    if not _is_whole(tail[place:]):
        damage = "the file ends in the middle of a FLAC frame"
        block = 0
        end = end - length + place
    head[TOTAL] = head[TOTAL] & 0xF0 | (first_sample + block) >> 32
    head[TOTAL + 1 : TOTAL + 5] = ((first_sample + block) & 0xFFFFFFFF).to_bytes(4, "big")
    return Stream((bytes(head), (start + 42, end))), damage


def _last_frame(tail, head):
    """Place, first sample and number of samples of the last frame in ``tail``; None when there is none."""
    smallest, biggest = int.from_bytes(head[8:10], "big"), int.from_bytes(head[10:12], "big")
    place = len(tail)
    while (place := tail.rfind(b"\xff", 0, place)) >= 0:
        frame = _frame(tail[place : place + 16])
        if frame is not None:
            number, block, variable = frame
            if block <= biggest and (variable or smallest == biggest):
                return place, number if variable else number * biggest, block
    return None


def _frame(data):
    """Number, samples, and whether numbers count samples, of the frame that ``data`` begins with; None for none."""
    if len(data) < 6 or data[1] & 0xFE != 0xF8:
        return None
    sizes = data[2] >> 4
    rate = data[2] & 15
    channels = data[3] >> 4
    bits = data[3] >> 1 & 7
    if sizes == 0 or rate == 15 or channels > 10 or bits == 3 or data[3] & 1:
        return None
    lead = data[4]
    further = 0 if lead < 0x80 else 8 - (lead ^ 0xFF).bit_length() - 1  # as in UTF-8
    if lead >= 0x80 and not 1 <= further <= 6:
        return None
    number = lead if further == 0 else lead & (0x3F >> further)
    for byte in data[5 : 5 + further]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    place = 5 + further
    width = {6: 1, 7: 2}.get(sizes, 0)
    block = int.from_bytes(data[place : place + width], "big") + 1 if width else BLOCK_SIZES[sizes]
    place += width + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if place >= len(data) or _crc8(data[:place]) != data[place]:
        return None
    return number, block, bool(data[1] & 1)


def _crc8(data) -> int:
    """x^8 + x^2 + x + 1, from 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc


def _is_whole(frame) -> bool:
    """Whether the check sum at the end of a frame is right: x^16 + x^15 + x^2 + 1, from 0, over all of it is 0.

    Zeros behind the frame change nothing.
    """
    crc = 0
    for byte in frame:
        crc = crc << 8 & 0xFF00 ^ CRC16[crc >> 8 ^ byte]
    return crc == 0


def _crc16_of(byte) -> int:
    crc = byte << 8
    for _ in range(8):
        crc = crc << 1 ^ (0x18005 if crc & 0x8000 else 0)
    return crc


CRC16 = [_crc16_of(byte) for byte in range(256)]
