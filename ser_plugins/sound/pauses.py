"""Where a recording falls silent for a moment, by its level alone."""

import numpy as np

FRAME = 0.02  # s
QUIET = 35.0  # dB below the loudest frame


def stretch_around_middle(wave: np.ndarray, rate: int, pause: float) -> tuple[int, int]:
    """The stretch between two pauses in which the middle of a waveform lies, or to which it is nearest.

    Arguments
    ---------
    wave : numpy.ndarray
        (samples,).
    rate : int
        In Hz.
    pause : float
        s; a pause is at least so long, and all of it ``QUIET`` dB below the loudest 20 ms of the waveform.

    Returns
    -------
    tuple of int
        First sample and the one behind the last.

    Example
    -------
    >>> wave = np.concatenate([np.ones(8000), np.zeros(8000), np.ones(24000)])
    >>> stretch_around_middle(wave, 16000, pause=0.3), stretch_around_middle(wave, 16000, pause=0.6)
    ((16000, 40000), (0, 40000))
    """
    size = round(FRAME * rate)
    count = -(-len(wave) // size)
    padded = np.pad(wave, (0, count * size - len(wave))).reshape(count, size)
    power = np.square(padded, dtype=np.float64).mean(axis=1)
    loud = power > power.max() * 10 ** (-QUIET / 10)
    places = np.flatnonzero(loud)
    if not len(places):
        return 0, len(wave)
    # A new stretch begins where the silence since the last loud frame is a pause.
    begins = np.flatnonzero(np.diff(places, prepend=-count) > pause / FRAME)
    stretches = [(int(part[0]), int(part[-1]) + 1) for part in np.split(places, begins[1:])]
    middle = count / 2
    begin, end = min(stretches, key=lambda stretch: max(stretch[0] - middle, middle - stretch[1], 0))
    return begin * size, min(end * size, len(wave))
