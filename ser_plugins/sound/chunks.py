"""Files of chunks, with the sound in one of them: wav (RIFF, RIFX, RF64), AIFF, SVX, Wave64, CAF; and AU, a header.

A length that its writer did not know, or that is less than the sound that follows, is put right; one that promises
more than there is tells that the file was cut.

Sources: IBM and Microsoft, *Multimedia Programming Interface and Data Specifications 1.0* (RIFF); EBU Tech 3306 (RF64);
Apple, *Audio Interchange File Format 1.3* and *Core Audio Format Specification 1.0*; Sony, *Wave64*; Sun, ``audio.h``.
"""

import struct
from dataclasses import dataclass

from ser_plugins.sound.layout import Layout, Stream
from ser_plugins.sound.mp3 import examine_mp3
from ser_plugins.sound.tags import BLOCK, is_silent_rest, read_at

LONGEST_HEAD = 1 << 24  # bytes before the sound that are copied to put a length right
MP3_IN_WAV = 0x55
# Names that only chunks have; the last chunk of a file may be cut where the sound before it is whole.
KNOWN_CHUNKS = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"cue ", b"smpl", b"fact", b"PEAK", b"JUNK", b"junk")


@dataclass(frozen=True)
class Container:
    """How chunks are written.

    Arguments
    ---------
    start : int
        Bytes before the first chunk.
    outer : tuple
        Place and struct format of the length of all, and the byte that it counts from; None for none.
    name : int
        Bytes of a chunk's name.
    length : str
        Struct format of its length, which follows.
    inclusive : bool
        Whether that length counts name and length, too.
    align : int
        Chunks begin at multiples of it.
    sound : bytes
        How the name of the chunk of sound begins.
    prefix : int
        Bytes in that chunk before the sound.
    unknown : int
        A length from here on says that the writer did not know it.
    mark, mark_place : bytes, int
        What every such file has near its beginning, and where.
    """

    start: int
    outer: tuple | None
    name: int
    length: str
    inclusive: bool
    align: int
    sound: bytes
    prefix: int
    unknown: int
    mark: bytes
    mark_place: int


# Software that writes to a pipe puts 2 GiB or more into a length of 32 bits.
RIFF = Container(12, (4, "<I", 8), 4, "<I", False, 2, b"data", 0, 0x7FF00000, b"WAVE", 8)
RIFX = Container(12, (4, ">I", 8), 4, ">I", False, 2, b"data", 0, 0x7FF00000, b"WAVE", 8)
AIFF = Container(12, (4, ">I", 8), 4, ">I", False, 2, b"SSND", 8, 0x7F000000, b"AIF", 8)
WAVE64 = Container(40, (16, "<Q", 0), 16, "<Q", True, 8, b"data", 0, 1 << 62, b"wave", 24)
SVX = Container(12, (4, ">I", 8), 4, ">I", False, 2, b"BODY", 0, 0x7F000000, b"SV", 9)
CAF = Container(8, None, 4, ">Q", False, 1, b"data", 4, 1 << 62, b"caff", 0)


def container_of(head: bytes) -> Container | None:
    """The kind of a file by its first 40 bytes."""
    if head[8:12] == b"WAVE" and head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return RIFX if head[:4] == b"RIFX" else RIFF
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if head[:4] == b"FORM" and head[8:12] in (b"8SVX", b"16SV"):
        return SVX
    if head[:4] == b"riff" and head[24:28] == b"wave":
        return WAVE64
    return CAF if head[:8] == b"caff\0\1\0\0" else None


@dataclass(frozen=True)
class SoundChunk:
    """Where the sound of a file of chunks is.

    Arguments
    ---------
    sound : int
        Its first byte.
    declared : int
        Bytes that its length promises.
    known : bool
        Whether its writer knew that length.
    mp3 : bool
        Whether it is MPEG audio.
    lengths : list of tuple
        Of every length that stands before it: place in the head, struct format, byte of the file that it counts from.
    """

    sound: int
    declared: int
    known: bool
    mp3: bool
    lengths: list


def examine_chunks(file, start: int, end: int) -> Layout:
    """Walk through the chunks from ``start`` to ``end`` of a file of a known kind."""
    kind = container_of(read_at(file, start, 40))
    chunk = _sound_chunk(file, start, end, kind)
    if chunk is None:
        return Layout(_alone(start, end))  # no chunk of sound: the decoder says so
    sound, declared = chunk.sound, chunk.declared
    if chunk.mp3:
        return examine_mp3(file, sound, min(end, sound + declared) if chunk.known else end)
    if chunk.known and declared > end - sound:
        return Layout(_alone(start, end, declared / max(1, end - sound)))
    if chunk.known or declared <= 0:
        following = _following(file, sound + max(0, declared), end, kind, start)
        if following is not None:
            return _with_next(file, start, following, end)
    else:
        following = _inner_file(file, sound, end, kind)
        if following < end:
            after = examine_chunks(file, following, end)
            stream = Stream((_put_right(file, start, sound, following, chunk.lengths), (sound, following)))
            return Layout((stream, *after.streams), after.damage)
    if sound - start > LONGEST_HEAD:
        return Layout((), "its header is longer than any that is known")
    return Layout((Stream((_put_right(file, start, sound, end, chunk.lengths), (sound, end))),))


def _sound_chunk(file, start, end, kind) -> SoundChunk | None:
    lengths = []
    if kind.outer:
        place, form, origin = kind.outer
        lengths.append((place, form, start + origin))
    position = start + kind.start
    mp3 = False
    wide = None
    while True:
        name, length, body = _chunk(file, position, kind)
        if name is None or position > end:
            return None
        if name.startswith(kind.sound):
            break
        if name == b"ds64":  # RF64: the lengths that need more than 32 bits
            wide = body + 8
            lengths.append((body - start, "<Q", start + 8))
        if name == b"fmt " and kind in (RIFF, RIFX):
            mp3 = read_at(file, body, 2) in (b"\x55\0", b"\0\x55")
        position = _aligned(body + length, kind, start)
    sound = body + kind.prefix
    if wide is not None and length == 0xFFFFFFFF:
        declared = int.from_bytes(read_at(file, wide, 8), "little")
        unknown = 1 << 62
        lengths.append((wide - start, "<Q", sound))
    else:
        declared = length - kind.prefix
        unknown = kind.unknown
        lengths.append((position + kind.name - start, kind.length, position if kind.inclusive else body))
    return SoundChunk(sound, declared, 0 < declared < unknown, mp3, lengths)


def examine_au(file, start: int, end: int) -> Layout:
    """The same for AU: one header, then the sound."""
    head = read_at(file, start, 24)
    if len(head) < 24:
        return Layout(_alone(start, end))
    order = ">" if head[:4] == b".snd" else "<"
    offset, declared = struct.unpack(f"{order}II", head[4:12])
    sound = start + offset
    if declared < 0xFFFFFFFF and declared > end - sound:
        return Layout(_alone(start, end, declared / max(1, end - sound)))
    rest = sound + declared
    if declared < 0xFFFFFFFF:
        if read_at(file, rest, 4) == head[:4]:
            after = examine_au(file, rest, end)
            return Layout((Stream(((start, rest),)), *after.streams), after.damage)
        if is_silent_rest(file, rest, end):
            return Layout(_alone(start, end))
    if not 24 <= offset <= LONGEST_HEAD:
        return Layout(_alone(start, end))
    return Layout((Stream((_put_right(file, start, sound, end, [(8, f"{order}I", sound)]), (sound, end))),))


def _alone(start, end, promised=1.0) -> tuple:
    return (Stream(((start, end),) if start else (), promised),)


def _with_next(file, start, following, end) -> Layout:
    """The file up to ``following`` as it is, and what begins there."""
    if following >= end:
        return Layout(_alone(start, end))
    after = examine_chunks(file, following, end)
    return Layout((Stream(((start, following),)), *after.streams), after.damage)


def _chunk(file, position, kind):
    """Name, length and place of the body of a chunk; three None where there is none."""
    size = kind.name + struct.calcsize(kind.length)
    head = read_at(file, position, size)
    if len(head) < size:
        return None, None, None
    (length,) = struct.unpack(kind.length, head[kind.name :])
    return head[: kind.name], length - (size if kind.inclusive else 0), position + size


def _aligned(position, kind, start):
    return position + (start - position) % kind.align


def _following(file, rest, end, kind, start) -> int | None:
    """Where the next file begins when chunks, tags or zeros are all that is before it, ``end`` for nowhere.

    None when something else follows the sound: more sound, as it seems.
    """
    for position in dict.fromkeys((_aligned(rest, kind, start), rest, rest + 1)):
        while position < end:
            head = read_at(file, position, 40)
            if container_of(head) is kind:
                return position
            name, length, body = _chunk(file, position, kind)
            if name is None or not all(32 <= byte < 127 for byte in name[:4]) or length < 0:
                break
            position = body + length
            if position > end + 1 and name[:4] not in KNOWN_CHUNKS:
                break
            position = _aligned(position, kind, start)
        if end - position < 4 or is_silent_rest(file, position, end):
            return end
    return None


def _inner_file(file, position, end, kind) -> int:
    """Where in sound of unknown length another file begins; ``end`` for nowhere."""
    overlap = 39
    while position < end:
        block = read_at(file, position, min(BLOCK, end - position))
        place = -1
        while (place := block.find(kind.mark, place + 1)) >= 0:
            start = position + place - kind.mark_place
            if container_of(read_at(file, start, 40)) is kind:
                return start
        position += max(1, len(block) - overlap)
    return end


def _put_right(file, start, sound, end, lengths) -> bytes:
    """What is before the sound, with all the lengths in it reaching to the end."""
    head = bytearray(read_at(file, start, sound - start))
    for place, form, origin in lengths:
        struct.pack_into(form, head, place, min(end - origin, 256 ** struct.calcsize(form) - 1))
    return bytes(head)
