"""MPEG audio (mp3 and its two older layers): a walk from frame to frame, to the end of the file.

A header of 4 bytes says how long its frame is, and the next one lies right behind it (ISO/IEC 11172-3, section 2.4.2;
13818-3 for the lower rates). The first frame may hold no sound but a count (Xing or Info, by most encoders; VBRI, by
Fraunhofer's). Without such a count, libsndfile takes the first frame's bit rate for that of all and stops where by that
the end ought to be; it is given a stream with a count of our own then. A file without a count that is cut right between
two frames cannot be told from a whole one.
"""

from dataclasses import dataclass, field

from ser_plugins.sound.layout import Layout, Stream
from ser_plugins.sound.tags import is_padding, read_at, tag_end

WINDOW = 1 << 18  # bytes that are read at once
LEAD = 1 << 16  # bytes before the first frame that are looked through for it
STRAY = 4  # bytes behind the last frame that are no matter
# kbit/s, by (version 1, layer), for the indices 1 to 14
RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
SAMPLE_RATES = (44100, 48000, 32000)  # of version 1; version 2 has half, version 2.5 a quarter
IN_A_ROW = 4  # frames that nothing but mp3 has
DELAY = 6 * 1152  # samples that a decoder may drop: what encoders add at both ends


@dataclass(frozen=True)
class Frame:
    """What a header says."""

    kind: tuple  # version bits, layer, sample rate in Hz, whether it is mono: the same in all of a stream
    length: int  # bytes
    samples: int
    side: int  # bytes of side information, behind which a count would be


@dataclass
class _Run:
    """Frames right behind one another."""

    start: int
    kind: tuple
    frames: int = 0
    samples: int = 0
    end: int = 0
    promised: int | None = None  # frames, by the count in front
    promised_bytes: int | None = None
    count_frame: tuple | None = None  # where it begins and ends
    header: bytes = b""
    seconds: float = field(default=0.0)


def parse_header(data: bytes) -> Frame | None:
    """A frame's header of 4 bytes, or None when it is none, or of a bit rate that it does not tell.

    Example
    -------
    >>> parse_header(bytes.fromhex("fffb9000")).length
    417
    """
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version = data[1] >> 3 & 3
    layer = 4 - (data[1] >> 1 & 3)
    bit_rate = data[2] >> 4
    rate = data[2] >> 2 & 3
    padded = data[2] >> 1 & 1
    mode = data[3] >> 6
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    is_first_version = version == 3
    hertz = SAMPLE_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    kbits = RATES[is_first_version, layer][bit_rate - 1]
    mono = mode == 3
    samples = 384 if layer == 1 else 1152 if layer == 2 or is_first_version else 576
    unit = 4 if layer == 1 else 1  # bytes
    length = (samples * kbits * 125 // (unit * hertz) + padded) * unit
    side = (17 if mono else 32) if is_first_version else (9 if mono else 17)
    return Frame((version, layer, hertz, mono), length, samples, side)


def looks_like_mp3(file, start: int, end: int) -> bool:
    """Whether there are frames right behind the tags, or some in a row after a few bytes that are none."""
    read = _Reader(file)
    tags = tag_end(file, start, end)
    position = first_frame = _find_frame(read, tags, end, None)
    if position is None:
        return False
    for _ in range(IN_A_ROW):
        frame = parse_header(read(position, 4))
        if frame is None:
            break
        position += frame.length
    else:
        return True
    return first_frame == tags and position >= end


def examine_mp3(file, start: int, end: int) -> Layout:
    """Walk from frame to frame between ``start`` and ``end``."""
    reader = _Reader(file)
    streams = []
    damage = ""
    position = _find_frame(reader, tag_end(file, start, end), end, None)
    if position is None:
        return Layout((Stream(((start, end),) if start else ()),))
    while position < end:
        run = _walk(reader, position, end)
        short = run.promised is not None and _lacks(run)
        after = tag_end(file, run.end, end)
        following, damage = _behind(reader, run, after, end)
        if short and not damage:
            damage = f"the {run.promised} frames that the first one counts, of which there are {run.frames}"
        tidy = run.promised == run.frames and position == tag_end(file, start, end) and following >= end and not start
        streams.append(_as_stream(run, tidy and not damage))
        if damage:
            break
        position = following
    return Layout(tuple(streams), damage, mp3=True)


class _Reader:
    """Bytes at any place, mostly ascending, out of a window."""

    def __init__(self, file):
        self.file = file
        self.first = 0
        self.window = b""

    def __call__(self, position, length):
        if not self.first <= position <= self.first + len(self.window) - length:
            self.first = position
            self.window = read_at(self.file, position, max(WINDOW, length))
        offset = position - self.first
        return self.window[offset : offset + length]


def _find_frame(read, position, end, kind) -> int | None:
    """Where the first frame is that has another of its kind, or the end, right behind it."""
    data = read(position, min(LEAD, end - position))
    place = -1
    while (place := data.find(b"\xff", place + 1)) >= 0:
        frame = parse_header(read(position + place, 4))
        if frame is None or (kind is not None and frame.kind != kind):
            continue
        behind = position + place + frame.length
        following = parse_header(read(behind, 4))
        if following is not None and following.kind == frame.kind and behind < end:
            return position + place
    return None


def _walk(read, position, end) -> _Run:
    """All frames of one kind that lie behind one another; a second count begins another run."""
    header = parse_header(read(position, 4))
    assert header is not None  # whoever calls has found it
    run = _Run(position, header.kind, header=read(position, 4), end=position)
    while position < end:
        frame = parse_header(read(position, 4))
        if frame is None or frame.kind != run.kind or position + frame.length > end:
            break
        counts = _counts(read(position, min(frame.length, 200)), frame)
        if counts is not None:
            if position > run.start:
                break
            run.promised, run.promised_bytes = counts
            run.count_frame = (position, position + frame.length)
        else:
            run.frames += 1
            run.samples += frame.samples
        position += frame.length
        run.end = position
    return run


def _counts(data, frame) -> tuple | None:
    """The numbers of frames and bytes by a frame that holds a count (either may be None); None for a frame of sound."""
    mark = 4 + frame.side
    if data[mark : mark + 4] in (b"Xing", b"Info"):
        flags = data[mark + 7 : mark + 8]
        place = mark + 8
        values = []
        for bit in (1, 2):
            present = bool(flags and flags[0] & bit)
            values.append(int.from_bytes(data[place : place + 4], "big") if present else None)
            place += 4 * present
        return values[0] or None, values[1] or None
    if data[36:40] == b"VBRI":
        return int.from_bytes(data[50:54], "big") or None, int.from_bytes(data[46:50], "big") or None
    return None


def _lacks(run) -> bool:
    """Whether there are fewer frames than counted; some encoders count the one with the count."""
    if run.frames >= run.promised:
        return False
    return run.frames < run.promised - 1 or (run.promised_bytes or 0) > run.end - run.start


def _behind(read, run, position, end) -> tuple[int, str]:
    """Where the next run begins (``end`` for nowhere), and what is wrong there."""
    if position >= end or is_padding(read.file, position, end):
        return end, ""
    frame = parse_header(read(position, 4))
    complete = run.promised is not None and not _lacks(run)
    if frame is not None:
        if position + frame.length <= end:
            follower = parse_header(read(position + frame.length, 4))
            if frame.kind == run.kind or (follower is not None and follower.kind == frame.kind):
                return position, ""
        elif frame.kind == run.kind:
            return end, "the file ends in the middle of a frame"
    if end - position <= STRAY or (complete and _find_frame(read, position, end, run.kind) is None):
        return end, ""
    begin = _find_frame(read, position, end, run.kind)
    if begin is not None and complete:
        return begin, ""
    return end, "no frame follows where one should"


def _as_stream(run, tidy) -> Stream:
    frames = max(0, run.samples - DELAY)
    if tidy:
        return Stream(frames=frames)
    start = run.count_frame[1] if run.count_frame else run.start
    if run.promised == run.frames:  # the count is right, and says what the encoder has added
        return Stream(((run.start, run.end),), frames=frames)
    return Stream((_count_frame(run, run.end - start), (start, run.end)), frames=frames)


def _count_frame(run, length) -> bytes:
    """A frame without sound that says how many follow."""
    header = bytearray(run.header)
    header[1] |= 1  # no check sum, which would come before the side information
    for bit_rate in range(1, 15):
        header[2] = bit_rate << 4 | header[2] & 0x0C
        frame = parse_header(bytes(header))
        assert frame is not None  # only its bit rate was changed
        if frame.length >= 4 + frame.side + 16:
            break
    count = b"Xing" + (3).to_bytes(4, "big") + run.frames.to_bytes(4, "big")
    count += (frame.length + length).to_bytes(4, "big")
    return (bytes(header) + bytes(frame.side) + count).ljust(frame.length, b"\0")
