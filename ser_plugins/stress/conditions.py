"""The changes that a model is tried under: the same recording, as another microphone, line or room would give it.

Every change is drawn from a generator that the recording and the condition's name seed, so that two models hear the
same. Codecs are those of libsndfile, which soundfile brings along.
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import soundfile
import torch
from torchaudio.functional import phase_vocoder, resample

from ser_plugins.copies import BandLimit, Clipping, Room, pink, with_noise

RATE = 16000  # Hz, of all waves here
RATIOS = (20, 10, 5, 0)  # dB, signal to noise
VOICES = 5  # in babble
TELEPHONE = 8000  # Hz
MP3_DELAY = 1105  # samples that LAME's encoder and the decoder put before the sound

Change = Callable[[torch.Tensor, torch.Generator, Sequence[torch.Tensor]], torch.Tensor]


@dataclass(frozen=True)
class Condition:
    """One change.

    Arguments
    ---------
    name : str
        As tables have it.
    family : str
        What belongs together in tables and figures.
    change : callable
        (samples,), a generator, recordings of other speakers -> (samples of the changed one,), all at 16 kHz.
    level : float
        Of noise: the ratio of signal to noise in dB.
    """

    name: str
    family: str
    change: Change
    level: float = 0.0

    def changed(self, wave: torch.Tensor, sha256: str, voices: Sequence[torch.Tensor] = ()) -> torch.Tensor:
        """A recording (samples,) of this SHA-256 under the condition, the same at every call.

        Example
        -------
        >>> noisy = [condition.changed(torch.ones(16000), "0" * 64) for condition in CONDITIONS[:2] * 2]
        >>> torch.equal(noisy[0], noisy[2]), torch.equal(noisy[0], noisy[1])
        (True, False)
        """
        seed = hashlib.sha256(f"{sha256} {self.name}".encode()).digest()[:7]
        generator = torch.Generator().manual_seed(int.from_bytes(seed, "big"))
        return self.change(wave, generator, voices).clamp(-1, 1)


def white_noise(wave, generator, voices):
    """As strong at all frequencies."""
    return torch.randn(len(wave), generator=generator)


def pink_noise(wave, generator, voices):
    """With a power that falls as 1 / f."""
    return pink(torch.randn(len(wave), generator=generator))


def babble(wave, generator, voices):
    """Five recordings of other speakers at once, each repeated as long as it takes; pink noise where there are none."""
    if not voices:
        return pink_noise(wave, generator, voices)
    places = torch.randint(len(voices), (VOICES,), generator=generator).tolist()
    return sum(_as_long(voices[place], len(wave), generator) for place in places)


def _as_long(voice, samples, generator):
    start = int(torch.randint(len(voice), (), generator=generator))
    turned = torch.roll(voice, -start)
    return turned.repeat(-(-samples // len(turned)))[:samples]


def _under(noise: Change, ratio: float) -> Change:
    return lambda wave, generator, voices: with_noise(wave, noise(wave, generator, voices), ratio)


def hum(wave, generator, voices):
    """A mains hum 10 dB below the recording: 50 Hz and its harmonics to 450 Hz, each half as strong as the last."""
    times = torch.arange(len(wave)) / RATE
    tones = [2.0**-order * torch.sin(2 * torch.pi * 50 * (order + 1) * times) for order in range(9)]
    return with_noise(wave, torch.stack(tones).sum(0), 10)


def coded(wave: torch.Tensor, rate: int = RATE, delay: int = 0, **options) -> torch.Tensor:
    """A recording (samples,) written by libsndfile with these options, and read again; as long as before.

    Arguments
    ---------
    wave : torch.Tensor
        (samples,) at 16 kHz.
    rate : int
        In Hz, that the codec works at.
    delay : int
        Samples that the codec puts before the sound.
    options : dict
        Of :func:`soundfile.write`.
    """
    file = io.BytesIO()
    soundfile.write(file, resample(wave, RATE, rate).clamp(-1, 1).numpy(), rate, **options)
    file.seek(0)
    heard, _ = soundfile.read(file, dtype="float32")
    decoded = resample(torch.from_numpy(heard[delay:]), rate, RATE)
    return torch.nn.functional.pad(decoded, (0, max(0, len(wave) - len(decoded))))[: len(wave)]


def mu_law(wave, generator, voices):
    """ITU-T G.711, as telephones have it: 8 kHz, 8 bits."""
    return coded(wave, TELEPHONE, format="WAV", subtype="ULAW")


def gsm(wave, generator, voices):
    """GSM 06.10 full rate: 8 kHz, 13 kbit/s."""
    return coded(wave, TELEPHONE, format="WAV", subtype="GSM610")


def opus(wave, generator, voices):
    """Opus at 16 kbit/s."""
    return coded(wave, format="OGG", subtype="OPUS", compression_level=0.95)


def mp3(wave, generator, voices):
    """MP3 at 32 kbit/s."""
    options = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": 0.85}
    return coded(wave, delay=MP3_DELAY, **options)


def at_tempo(wave: torch.Tensor, factor: float) -> torch.Tensor:
    """Faster (above 1) or slower at the same pitch: (samples,) -> (about samples / factor,), by a phase vocoder.

    Flanagan & Golden (Bell System Technical Journal 45, 1966), in torchaudio's version.
    """
    window = torch.hann_window(512)
    spectrum = torch.stft(wave, 512, 128, window=window, return_complex=True)
    advance = torch.linspace(0, torch.pi * 128, len(spectrum))[:, None]
    return torch.istft(phase_vocoder(spectrum, factor, advance), 512, 128, window=window)


def at_pitch(wave: torch.Tensor, factor: float) -> torch.Tensor:
    """Higher (above 1) or lower at the same tempo, formants with it: (samples,) -> (about samples,)."""
    return at_tempo(resample(wave, round(100 * factor), 100), 1 / factor)


def middle(wave: torch.Tensor, seconds: float) -> torch.Tensor:
    """The middle of a recording (samples,); a shorter one as it is."""
    surplus = max(0, len(wave) - round(seconds * RATE))
    return wave[surplus // 2 : len(wave) - (surplus - surplus // 2)]


def _of_wave(change: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return lambda wave, generator, voices: change(wave)


def _copied(copy) -> Change:
    return lambda wave, generator, voices: copy(wave, generator)


NOISES = {"white noise": white_noise, "pink noise": pink_noise, "babble": babble}
CONDITIONS = (
    *(
        Condition(f"{name}, {ratio} dB", name, _under(noise, ratio), ratio)
        for name, noise in NOISES.items()
        for ratio in RATIOS
    ),
    Condition("50 Hz hum, 10 dB", "microphone", hum),
    Condition("clipped at a tenth of the peak", "microphone", _copied(Clipping(0.1, 0.1))),
    Condition("20 dB louder", "microphone", _of_wave(lambda wave: 10 * wave)),
    Condition("20 dB softer", "microphone", _of_wave(lambda wave: wave / 10)),
    Condition("room, 0.5 s", "microphone", _copied(Room(0.5, 0.5, 0, 0))),
    Condition("300 to 3400 Hz", "line", _copied(BandLimit(300, 3400))),
    Condition("mu-law, 8 kHz", "line", mu_law),
    Condition("GSM", "line", gsm),
    Condition("Opus, 16 kbit/s", "line", opus),
    Condition("MP3, 32 kbit/s", "line", mp3),
    Condition("tempo + 10 %", "speaking", _of_wave(lambda wave: at_tempo(wave, 1.1))),
    Condition("tempo - 10 %", "speaking", _of_wave(lambda wave: at_tempo(wave, 0.9))),
    Condition("pitch + 10 %", "speaking", _of_wave(lambda wave: at_pitch(wave, 1.1))),
    Condition("pitch - 10 %", "speaking", _of_wave(lambda wave: at_pitch(wave, 0.9))),
    Condition("its middle second", "cut", _of_wave(lambda wave: middle(wave, 1))),
    Condition("its middle 2 s", "cut", _of_wave(lambda wave: middle(wave, 2))),
    Condition("1 s of silence before", "cut", _of_wave(lambda wave: torch.nn.functional.pad(wave, (RATE, 0)))),
)
