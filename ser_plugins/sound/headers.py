"""Old formats with a header that says how much follows: NIST SPHERE, as in many speech corpora, AVR and VOC."""

import re

from ser_plugins.sound.layout import Layout, Stream
from ser_plugins.sound.tags import read_at

SPHERE, AVR, VOC = b"NIST_1A\n", b"2BIT", b"Creative Voice File\x1a"


def examine_sphere(file, end: int) -> Layout:
    """NIST SPHERE: lines of text with the numbers of samples, of channels and of bytes of a sample."""
    text = read_at(file, 0, 1024).decode("latin-1")
    length = re.match(r"NIST_1A\s+(\d+)", text)
    numbers = dict(re.findall(r"^(\w+) -i (\d+)", text, re.MULTILINE))
    coding = re.search(r"^sample_coding -s\d+ (\S+)", text, re.MULTILINE)
    coding = coding[1] if coding else "pcm"
    if length is None or "sample_count" not in numbers or "," in coding:  # a comma: compressed
        return Layout()
    width = int(numbers.get("sample_n_bytes", 2)) if coding == "pcm" else 1
    return _promise(int(numbers["sample_count"]) * int(numbers.get("channel_count", 1)) * width, end - int(length[1]))


def examine_avr(file, end: int) -> Layout:
    """AVR: 128 bytes; 12 is not 0 for two channels, 14 has the bits of a sample, 26 to 29 the number of samples."""
    head = read_at(file, 0, 128)
    channels = 2 if any(head[12:14]) else 1
    bits = int.from_bytes(head[14:16], "big")
    return _promise(int.from_bytes(head[26:30], "big") * channels * (bits // 8), end - 128)


def examine_voc(file, end: int) -> Layout:
    """VOC: blocks of a kind and a length of three bytes; a kind of 0 ends the file."""
    position = int.from_bytes(read_at(file, 20, 2), "little")
    while position < end:
        head = read_at(file, position, 4)
        if head[:1] == b"\0":
            return Layout()
        length = int.from_bytes(head[1:4], "little")
        if len(head) < 4 or position + 4 + length > end:
            return _promise(length, end - position - 4)
        position += 4 + length
    return Layout()  # the mark of the end is missing, and no sound


def _promise(declared, present) -> Layout:
    return Layout((Stream(promised=max(1.0, declared / max(1, present))),))
