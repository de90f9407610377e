"""Are the samples of two files identical? A hash of what a file decodes to, whatever its container."""

import hashlib
from dataclasses import dataclass

import numpy as np

from ser_plugins.sound.opening import UNDECODABLE, examine_path, open_following, open_stream, read_frames, unreadable

FLOATS = ("FLOAT", "DOUBLE")  # subtypes that are decoded to floating-point numbers
BLOCK = 1 << 20  # frames


@dataclass(frozen=True)
class Samples:
    """All that a file decodes to.

    Arguments
    ---------
    sha256 : str
        64 hexadecimal digits.
    frames : int
        Samples per channel.
    sample_rate, channels : int
        In Hz; number, at the beginning.
    """

    sha256: str
    frames: int
    sample_rate: int
    channels: int


def hash_samples(path) -> Samples:
    """Hash all samples of a file, of all streams behind one another, in bounded memory.

    Integers, and codecs that libsndfile decodes, are hashed as 16-bit integers (of longer ones the upper 16 bits).
    Floating-point numbers, and what ffmpeg decodes, are hashed as 16-bit integers too where a file of 24-bit integers
    could hold them, so that a float copy has the hash of its original; all others are hashed as they are, to the last
    bit. (Read as 16-bit integers, floats within full scale are zeros.)

    Arguments
    ---------
    path : path-like or seekable binary file
        The file.

    Raises
    ------
    AudioError, SerError
        Data that cannot be decoded, streams of several rates; no ffmpeg.

    Example
    -------
    >>> import io, soundfile
    >>> def digest(samples, subtype):
    ...     file = io.BytesIO()
    ...     soundfile.write(file, samples, 16000, format="WAV", subtype=subtype)
    ...     return hash_samples(file).sha256
    >>> wave = np.array([0.25, -0.5])
    >>> digest(wave, "PCM_16") == digest(wave, "FLOAT") == digest(wave, "DOUBLE")
    True
    >>> digest(wave / 3, "FLOAT") == digest(wave / 5, "FLOAT")
    False
    """
    layout = examine_path(path)
    file = open_stream(path, layout, layout.streams[0])
    rate = file.samplerate
    channels = file.channels
    floats = file.subtype in FLOATS
    as_integers, as_floats = hashlib.sha256(), hashlib.sha256(b"float64")
    whole = True
    frames = 0
    for number, stream in enumerate(layout.streams):
        if number:
            file = open_following(path, layout, stream, rate, frames)
        with file:
            for block in _blocks(file, path, "float64" if floats else "int16"):
                frames += len(block)
                if floats:
                    block = block + 0.0  # -0.0 becomes 0.0
                    as_floats.update(block.astype("<f8").tobytes())
                    whole = whole and _fits_24_bits(block)
                    block = np.floor(block * 2**15) if whole else block[:0]
                as_integers.update(block.astype("<i2").tobytes())
    return Samples((as_integers if whole else as_floats).hexdigest(), frames, rate, channels)


def _blocks(file, path, dtype):
    try:
        while len(block := read_frames(file, BLOCK, dtype)):
            yield block
    except UNDECODABLE as error:
        raise unreadable(str(path), error) from None


def _fits_24_bits(samples) -> bool:
    scaled = samples * 2.0**23
    return bool(((scaled >= -(2.0**23)) & (scaled < 2.0**23) & (scaled == np.floor(scaled))).all())
