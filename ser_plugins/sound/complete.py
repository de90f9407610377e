"""One judge for all formats: either all of a recording is used, or it is said where it ends."""

import os
from dataclasses import replace

from ser_plugins.sound.chunks import container_of, examine_au, examine_chunks
from ser_plugins.sound.ffmpeg import format_of, needs_ffmpeg
from ser_plugins.sound.films import (
    MARKS,
    examine_adts,
    examine_amr,
    examine_avi,
    examine_boxes,
    examine_elements,
    examine_marks,
)
from ser_plugins.sound.flac import examine_flac
from ser_plugins.sound.headers import AVR, SPHERE, VOC, examine_avr, examine_sphere, examine_voc
from ser_plugins.sound.layout import Layout
from ser_plugins.sound.mp3 import examine_mp3, looks_like_mp3
from ser_plugins.sound.ogg import examine_ogg
from ser_plugins.sound.tags import read_at, tag_end

FILMS = {"mov": examine_boxes, "matroska": examine_elements, "avi": examine_avi, "amr": examine_amr}


def examine(file) -> Layout:
    """Walk through a sound file to its end.

    Arguments
    ---------
    file : seekable binary file
        Read from any place.

    Returns
    -------
    Layout
        Of formats that are not known here: the file as it is, without damage; the decoder's word counts then.

    Example
    -------
    >>> import io, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, [0.5] * 1000, 16000, format="WAV")
    >>> cut = io.BytesIO(file.getvalue()[:1044])
    >>> examine(file).streams[0].promised, examine(cut).streams[0].promised
    (1.0, 2.0)
    """
    end = file.seek(0, os.SEEK_END)
    head = read_at(file, 0, 40)
    if container_of(head) is not None:
        return examine_chunks(file, 0, end)
    if head[:4] in (b".snd", b"dns."):
        return examine_au(file, 0, end)
    for magic, examine_header in ((SPHERE, examine_sphere), (AVR, examine_avr), (VOC, examine_voc)):
        if head.startswith(magic):
            return examine_header(file, end)
    start = tag_end(file, 0, end)
    kind = format_of(file)
    if needs_ffmpeg(file):
        return replace(_examine_for_ffmpeg(file, kind, start, end), kind=kind)
    marker = read_at(file, start, 4)
    if marker == b"fLaC":
        return examine_flac(file, start, end)
    if marker == b"OggS":
        return examine_ogg(file, start, end)
    if looks_like_mp3(file, start, end):
        return examine_mp3(file, start, end)
    return Layout()


def _examine_for_ffmpeg(file, kind, start, end) -> Layout:
    """Walk through what ffmpeg alone decodes."""
    if kind in FILMS:
        return FILMS[kind](file, end)
    if kind in MARKS:
        return examine_marks(file, end, kind)
    return examine_adts(file, start, end) if kind == "aac" else Layout()
