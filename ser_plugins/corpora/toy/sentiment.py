"""Synthetic CMU-MOSI and CH-SIMS in their layouts, with their quirks; spoken as ``toy`` does."""

import subprocess
from pathlib import Path

import numpy as np

from ser_plugins.corpora.toy.synth import SAMPLE_RATE
from ser_plugins.corpora.toy.writing import ToyRecording, within, write_corpus
from ser_plugins.errors import SerError
from ser_plugins.sound.convert import write_wav
from ser_plugins.sound.ffmpeg import find_ffmpeg
from ser_plugins.sound.resample import resample

# Real ids, with the standard fold of each: with ``_`` and ``-`` in them, and in front.
MOSI_VIDEOS = {
    "2WGyTLYerpo": "train", "_dI--eQ6qVU": "valid", "tmZoasNr4rU": "test", "0h-zjBukYpk": "train",
    "f_pcplsH_V0": "test", "6_0THN4chvY": "train", "c5xsKMxpXnc": "valid", "I5y0__X72p0": "train",
    "v0zCBqDeKcE": "test", "Bfr499ggo-0": "train",
}  # fmt: skip
EMPTY = ("2WGyTLYerpo", 44)  # the segment of no length
BEGINNINGS = ("the film was", "i thought the story was", "well the whole thing was", "her part in it was")
OPINIONS = {
    -1: ("awful", "boring", "a mess", "terrible"),
    0: ("long", "about a journey", "in black and white", "set at sea"),
    1: ("wonderful", "a delight", "brilliant", "moving"),
}
ENDINGS = ("from the beginning", "i must say", "in the end", "for two hours")
CHSIMS_MODES = ("train", "test", "train", "valid", "train", "test")  # of the clips of a video, in turn


def write_toy_mosi(
    folder, videos=10, segments=4, layout="published", media="wav", syllables=4, seed=0, told="voice"
) -> Path:
    """Write a synthetic corpus in a layout of CMU-MOSI.

    Arguments
    ---------
    folder : path-like
        As for :func:`~ser_plugins.corpora.toy.emodb.write_toy_emodb`.
    videos : int
        3 to 10 of the real ones.
    segments : int
        1 to 40 of each, beside the empty one.
    layout : str
        ``published`` (``OpinionLevelSentiment.csv`` without header, CRLF; segmented wavs; transcripts of one video)
        or ``mmsa`` (``label.csv``, ``Raw/<video>/<n>``).
    media : str
        ``wav`` (16 kHz mono), ``stereo`` (wav at 44.1 kHz) or ``mp4`` (needs ffmpeg).
    syllables, seed : int
        As for EmoDB's.
    told : str
        What tells the sign of a label: the ``voice``; or in turn ``words or voice``, the other one being neutral. Then
        every segment has a transcript.

    Returns
    -------
    Path
        The folder.

    Example
    -------
    >>> import tempfile
    >>> folder = write_toy_mosi(Path(tempfile.mkdtemp()) / "mosi", videos=3, segments=1)
    >>> sorted(path.name for path in (folder / "Audio/WAV_16000/Segmented").iterdir())
    ['2WGyTLYerpo_1.wav', '2WGyTLYerpo_44.wav', '_dI--eQ6qVU_1.wav', 'tmZoasNr4rU_1.wav']
    """
    if layout not in ("published", "mmsa"):
        raise SerError(got=f"layout={layout!r}", expected="published or mmsa", remedy="correct the option")
    if told not in ("voice", "words or voice"):
        raise SerError(got=f"told={told!r}", expected="voice, or words or voice", remedy="correct the option")
    if videos < 3:
        raise SerError(got=f"videos={videos}", expected="3 or more: train, valid and test", remedy="correct the option")
    names = list(MOSI_VIDEOS)[: within("videos", videos, len(MOSI_VIDEOS))]
    numbers = range(1, within("segments", segments, 40) + 1)
    rng = np.random.default_rng(seed)
    recordings = []
    published = []
    mmsa = ["video_id,clip_id,mode,label,annotation,text"]
    transcripts = {}
    for video in names:
        for number in [*numbers, *([EMPTY[1]] if video == EMPTY[0] else [])]:
            empty = (video, number) == EMPTY
            label = _draw(rng, 15)
            text, heard = f"VIDEO {video}, WORD {number}", label
            if told != "voice":
                by_words = number % 2 == 1
                text, heard = _opinion(rng, label * by_words), label * (not by_words)
            stem = f"Audio/WAV_16000/Segmented/{video}_{number}" if layout == "published" else f"Raw/{video}/{number}"
            recordings.append(_recording(stem, video, heard, media, empty=empty))
            published.append(f"{number * 3.5:.9g},{number * 3.5 + 3.5 * (not empty):.9g},{video},{number},{label}")
            mode = {"valid": "dev"}.get(MOSI_VIDEOS[video], MOSI_VIDEOS[video])
            annotation = "Negative" if label < 0 else "Positive" if label > 0 else "Neutral"
            mmsa.append(f'{video},{number},{mode},{label},{annotation},"{text}"')
            transcripts.setdefault(video, []).append(f"{number}_DELIM_{text}")
    beside = {"label.csv": mmsa}
    if layout == "published":
        # In `voice` of the first video only: the real ones are not complete either.
        written = names[:1] if told == "voice" else names
        lines = {f"Transcript/Segmented/{video}.annotprocessed": transcripts[video] for video in written}
        beside = {"OpinionLevelSentiment.csv": published, **lines}
    parameters = {"layout": "MOSI", "labels": layout, "videos": videos, "segments": segments}
    parameters |= {} if told == "voice" else {"told": told}
    return _write(folder, recordings, beside, parameters, media, syllables, seed)


def write_toy_chsims(folder, videos=10, clips=6, header=True, media="wav", syllables=4, seed=0) -> Path:
    """Write a synthetic corpus in CH-SIMS' layout.

    The last video is in ``train`` only, every other one in all parts of the official split: as in the real one.

    Arguments
    ---------
    folder : path-like
        As for :func:`~ser_plugins.corpora.toy.emodb.write_toy_emodb`.
    videos : int
        3 to 60.
    clips : int
        4 to 99 of each.
    header : bool
        Whether ``label.csv`` has its first line.
    media, syllables, seed
        As for :func:`write_toy_mosi`.

    Returns
    -------
    Path
        The folder.

    Example
    -------
    >>> import tempfile
    >>> folder = write_toy_chsims(Path(tempfile.mkdtemp()) / "sims", videos=4, clips=4, syllables=1)
    >>> (folder / "label.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[:3]
    ['video_0001', '0001', '第1句，第1个']
    """
    if videos < 3 or clips < 4:
        raise SerError(got=f"videos={videos}, clips={clips}", expected="3 and 4, or more", remedy="correct the option")
    within("videos", videos, 60), within("clips", clips, 99)
    rng = np.random.default_rng(seed)
    recordings = []
    rows = ["video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"][: int(header)]
    for place in range(1, videos + 1):
        for number in range(1, clips + 1):
            video = f"video_{place:04d}"
            clip = f"{number:04d}"
            labels = [_draw(rng, 5) for _ in range(4)]
            annotation = "Negative" if labels[0] < 0 else "Positive" if labels[0] > 0 else "Neutral"
            mode = CHSIMS_MODES[(number - 1) % len(CHSIMS_MODES)] if place < videos else "train"
            recordings.append(_recording(f"Raw/{video}/{clip}", video, labels[0], media))
            scores = ",".join(map(str, labels))
            rows.append(f"{video},{clip},第{place}句，第{number}个,{scores},{annotation},{mode}")
    parameters = {"layout": "CH-SIMS", "videos": videos, "clips": clips, "header": header}
    return _write(folder, recordings, {"label.csv": rows}, parameters, media, syllables, seed)


def _opinion(rng, label: float) -> str:
    """Words that tell the sign of a label; of 0, no opinion."""
    word, ending = (rng.choice(words) for words in (OPINIONS[int(np.sign(label))], ENDINGS))
    return f"{rng.choice(BEGINNINGS)} {word} {ending}"


def _draw(rng, steps: int) -> float:
    """Draw a label: a fifth of a whole number, up to ``steps`` of them on either side."""
    return int(rng.integers(-steps, steps + 1)) / 5


def _recording(stem, video, label, media, *, empty=False) -> ToyRecording:
    path = f"{stem}.{'mp4' if media == 'mp4' else 'wav'}"
    emotion = "" if empty else "sadness" if label < 0 else "happiness" if label > 0 else "neutral"
    gender = "female" if sum(video.encode()) % 2 else "male"
    return ToyRecording(path, path if media == "wav" else "", video, gender, stem, emotion)


def _write(folder, recordings, beside, parameters, media, syllables, seed) -> Path:
    if media not in WRITERS:
        raise SerError(got=f"media={media!r}", expected="one of " + ", ".join(WRITERS), remedy="correct the option")
    parameters |= {"media": media, "syllables": within("syllables", syllables, 100), "seed": seed}
    beside = {name: "".join(f"{line}\r\n" for line in lines).encode() for name, lines in beside.items()}
    return write_corpus(folder, recordings, beside, parameters, syllables=syllables, seed=seed, write=WRITERS[media])


def _write_stereo(path, samples) -> None:
    """44.1 kHz, two channels, of which one is softer."""
    wave = resample(samples / 32768, SAMPLE_RATE, 44100)  # (samples,)
    write_wav(path, np.stack([wave, wave / 2], axis=1), 44100)


def _write_mp4(path, samples) -> None:
    """A film of 16 x 16 pixels; without samples, a file without content."""
    if not len(samples):
        path.touch()
        return
    raw = ["-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0"]
    # As long as the sound: ffmpeg may never end an endless picture, -shortest or not.
    picture = ["-f", "lavfi", "-i", f"color=black:size=16x16:rate=5:duration={len(samples) / SAMPLE_RATE}"]
    command = [find_ffmpeg(), "-v", "error", *raw, *picture, "-c:v", "mpeg4", "-ar", "44100", "-ac", "2"]
    subprocess.run([*command, f"file:{path}"], input=samples.tobytes(), check=True)


WRITERS = {"wav": write_wav, "stereo": _write_stereo, "mp4": _write_mp4}
