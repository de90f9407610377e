"""Are the samples of two files identical? A hash of what a file decodes to, whatever its container."""

import hashlib

import numpy as np

FLOATS = ("FLOAT", "DOUBLE")  # libsndfile's subtypes that hold floating-point numbers
BLOCK = 1 << 20  # frames


def samples_sha256(file) -> tuple[str, int]:
    """Hash all samples of an open file, in bounded memory.

    Integers, and codecs, are hashed as 16-bit integers (of longer ones the upper 16 bits). Floating-point numbers that
    a file of 24-bit integers could hold are hashed as these, so that a float copy has the hash of its original; all
    others are hashed as they are, to the last bit. (Read as 16-bit integers, floats within full scale are zeros.)

    Arguments
    ---------
    file : soundfile.SoundFile
        Open, at its beginning.

    Returns
    -------
    sha256 : str
        64 hexadecimal digits.
    frames : int
        Samples per channel.

    Raises
    ------
    soundfile.LibsndfileError, RuntimeError
        What soundfile raises for data that cannot be decoded.

    Example
    -------
    >>> import io, soundfile
    >>> def digest(samples, subtype):
    ...     stream = io.BytesIO()
    ...     soundfile.write(stream, samples, 16000, format="WAV", subtype=subtype)
    ...     return samples_sha256(soundfile.SoundFile(io.BytesIO(stream.getvalue())))[0]
    >>> wave = np.array([0.25, -0.5])
    >>> digest(wave, "PCM_16") == digest(wave, "FLOAT") == digest(wave, "DOUBLE")
    True
    >>> digest(wave / 3, "FLOAT") == digest(wave / 5, "FLOAT")
    False
    """
    as_integers, as_floats = hashlib.sha256(), hashlib.sha256(b"float64")
    floats, whole, frames = file.subtype in FLOATS, True, 0
    while len(block := file.read(BLOCK, dtype="float64" if floats else "int16", always_2d=True)):
        frames += len(block)
        if floats:
            block = block + 0.0  # -0.0 becomes 0.0
            as_floats.update(block.astype("<f8").tobytes())
            whole = whole and _fits_24_bits(block)
            block = np.floor(block * 2**15) if whole else block[:0]
        as_integers.update(block.astype("<i2").tobytes())
    return (as_integers if whole else as_floats).hexdigest(), frames


def _fits_24_bits(samples) -> bool:
    scaled = samples * 2.0**23
    return bool(((scaled >= -(2.0**23)) & (scaled < 2.0**23) & (scaled == np.floor(scaled))).all())
