"""Tags around sound, which are no sound: ID3v2 before it, ID3v1, APEv2 and Lyrics3 behind it; and padding."""

BLOCK = 1 << 20  # bytes that are read at once
FARTHEST = 1 << 62  # no file is that long, but a header may say so


def read_at(file, position: int, length: int) -> bytes:
    """Up to ``length`` bytes of a binary file, from ``position`` on."""
    if not 0 <= position < FARTHEST:
        return b""
    file.seek(position)
    return file.read(max(0, length))


def tag_end(file, position: int, end: int) -> int:
    """Where the tags that begin at ``position`` end: ``position`` itself when there is none.

    ID3v2 (id3.org, 2.4.0, section 3.1): the size is of four bytes of seven bits each, without the header of 10 bytes
    and a footer. APEv2: 32 bytes, of which bytes 12 to 15 are the size without the header, and bit 29 of the flags says
    that this is a header. ID3v1: 128 bytes.
    """
    while position < end:
        head = read_at(file, position, 32)
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 128:
            length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            position += 10 + length + (10 if head[5] & 0x10 else 0)
        elif head[:8] == b"APETAGEX" and len(head) == 32 and head[23] & 0x20:
            position += 32 + int.from_bytes(head[12:16], "little")
        elif head[:11] == b"LYRICSBEGIN":
            rest = read_at(file, position, end - position).find(b"LYRICS200")
            if rest < 0:
                break
            position += rest + 9
        elif head[:3] == b"TAG" and end - position >= 128:
            position += 128
        else:
            break
    return min(position, end)


def is_padding(file, position: int, end: int) -> bool:
    """Whether there is nothing but zeros from ``position`` to ``end``."""
    while position < end:
        block = read_at(file, position, min(BLOCK, end - position))
        if not block or block.strip(b"\0"):
            return False
        position += len(block)
    return True


def is_silent_rest(file, position: int, end: int) -> bool:
    """Whether tags and zeros are all there is from ``position`` to ``end``."""
    return is_padding(file, tag_end(file, position, end), end)
