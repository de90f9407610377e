"""What libsndfile does not read, decoded by ffmpeg: M4A, MP4, WebM, AAC, Ogg with other codecs and so on.

The input may be meant to do harm. ffmpeg is told which format it is, by the first bytes, so that no playlist leads it
to other files; it opens files alone, on one thread, with bounds on memory and time; and it is read from block by block,
so that it never gets farther ahead than a pipe holds.
"""

import re
import shutil
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

import numpy as np

from ser_plugins.errors import AudioError, SerError
from ser_plugins.sound.films import AMR_NARROW, AMR_WIDE, BOXES, EBML, is_adts
from ser_plugins.sound.tags import read_at, tag_end

PATIENCE = 60  # s that ffmpeg may take for one block
MEMORY = 1 << 29  # bytes that it may allocate at once
MOST_VALUES = 64 * 192_000  # channels times Hz
LONGEST = 24 * 3600  # s
HEAD = 24  # bytes: the header of an AU file, up to its annotation
LACKING = 0.25  # s of what the header promises, whose unit may be a frame or a second
MAGIC = {  # first bytes -> ffmpeg's name of the format
    EBML: "matroska",
    b"FLV\x01": "flv",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    AMR_NARROW: "amr",
    AMR_WIDE: "amr",
    b"\x0b\x77": "ac3",
    b"wvpk": "wv",
    b"MAC ": "ape",
    b"TTA1": "tta",
    b"OggS": "ogg",
    b"fLaC": "flac",
}
SNDFILE_IN_WAV = (1, 2, 3, 6, 7, 0x11, 0x31, 0x40, 0x45, 0x55, 0xFFFE)  # codecs of wav that libsndfile reads


def find_ffmpeg() -> str:
    """Return the ffmpeg on PATH, else the one that the package ``imageio-ffmpeg`` brings along.

    Raises
    ------
    SerError
        There is neither.
    """
    if program := shutil.which("ffmpeg"):
        return program
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise SerError(
            got="no ffmpeg on PATH, and no package imageio-ffmpeg",
            expected="ffmpeg, for what libsndfile does not read: m4a, mp4, webm, aac, videos",
            remedy="install ffmpeg, or: pip install 'ser-plugins[video]'; or convert to wav first, and put wavs of the "
            "same names in place of the files of a corpus",
        ) from None


def format_of(file) -> str | None:
    r"""Ffmpeg's name of the format of a binary file, where ffmpeg is what should decode it.

    Example
    -------
    >>> import io
    >>> format_of(io.BytesIO(b"\0\0\0\x18ftypM4A \0\0\0\0")), format_of(io.BytesIO(b"#EXTM3U"))
    ('mov', None)
    """
    end = file.seek(0, 2)
    start = tag_end(file, 0, end)
    head = read_at(file, start, 32)
    if head[4:8] in BOXES:
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt ":
        return None if int.from_bytes(head[20:22], "little") in SNDFILE_IN_WAV else "wav"
    if is_adts(head):
        return "aac"
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def needs_ffmpeg(file) -> bool:
    """Whether libsndfile knows nothing like it."""
    return format_of(file) not in (None, "ogg", "flac", "wav")


def decoder(program: str, kind: str, source: str) -> list[str]:
    """The command that decodes the first sound of ``source`` to the header of an AU file and big-endian float32.

    Arguments
    ---------
    program : str
        Of :func:`find_ffmpeg`.
    kind : str
        Of :func:`format_of`.
    source : str
        ``file:PATH`` or ``pipe:0``.
    """
    command = [program, "-nostdin", "-hide_banner", "-nostats", "-v", "level+info", "-max_alloc", str(MEMORY)]
    command += ["-protocol_whitelist", "file,pipe", "-threads", "1", "-f", kind, "-i", source]
    command += ["-map", "0:a:0", "-vn", "-sn", "-dn", "-t", str(LONGEST), "-threads", "1"]
    return [*command, "-c:a", "pcm_f32be", "-f", "au", "-flush_packets", "1", "pipe:1"]


def read_head(head: bytes) -> tuple[int, int, int]:
    """The first ``HEAD`` bytes that :func:`decoder` writes -> bytes until the samples, rate in Hz, channels."""
    start, *_, rate, channels = struct.unpack(">6I", head)[1:]
    return start - HEAD, rate, channels


def complaints(lines: list[str], code: int) -> str:
    """What ffmpeg says of damage in its log and by its exit code; empty for nothing.

    Example
    -------
    >>> complaints(["[ogg @ 0x1] [error] CRC mismatch!"], 0)
    'CRC mismatch!'
    """
    errors = [line for line in lines if re.search(r"\[(error|fatal|panic)\]", line)]
    texts = [re.sub(r"\[[^]]*\] ?", "", line).strip() for line in errors]
    return " / ".join(dict.fromkeys(texts[:3])) or (f"exit code {code}" if code else "")


class Decoded:
    """A file that ffmpeg decodes, to be read as a :class:`soundfile.SoundFile` is.

    Arguments
    ---------
    source : path-like
        A file on disk, or a binary file, which is copied into a temporary one.
    kind : str
        Of :func:`format_of`.
    name : str
        In errors.

    Attributes
    ----------
    samplerate, channels : int
        In Hz; number.
    frames : int
        Fewest samples that there have to be, by the header; 0 where it does not say. Known after the last block.
    complaints : str
        What ffmpeg says of damage, after the last block; empty for nothing.

    Raises
    ------
    AudioError, SerError
        Nothing that can be decoded; no ffmpeg.
    """

    format, subtype, extra_info = "ffmpeg", "FLOAT", ""

    def __init__(self, source, kind: str, name: str):
        self.name = name
        self.done = 0
        self.frames = 0
        self.complaints = ""
        self.process = self.folder = None
        program = find_ffmpeg()
        if hasattr(source, "read"):
            self.folder = tempfile.TemporaryDirectory()
            path = Path(self.folder.name) / "sound"
            with open(path, "wb") as copy:
                source.seek(0)
                shutil.copyfileobj(source, copy)
        else:
            path = Path(source)
        self.path = path
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with this
        command = decoder(program, kind, f"file:{path}")  # file: -- else `a:b.mp4` is taken for a protocol
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        head = self._take(HEAD)
        if len(head) < HEAD:
            self._finish()
            raise self._error(f"ffmpeg says {self.complaints or 'nothing'}")
        rest, self.samplerate, self.channels = read_head(head)
        self._take(rest)
        if not 0 < self.samplerate * self.channels <= MOST_VALUES:
            self.close()
            raise self._error(f"{self.channels} channels at {self.samplerate} Hz")

    def read(self, frames: int, dtype="float32", always_2d=True) -> np.ndarray:
        """(samples, channels), as many samples as asked for, fewer at the end, then none."""
        if self.process is None:
            return np.zeros((0, self.channels), dtype)
        width = 4 * self.channels
        content = self._take(frames * width)
        block = np.frombuffer(content[: len(content) // width * width], ">f4").astype(dtype)
        self.done += len(block) // self.channels
        if len(content) < frames * width:
            self._finish()
        return block.reshape(-1, self.channels)

    def _take(self, size: int) -> bytes:
        late = threading.Event()
        process = self.process
        assert process is not None  # read has asked
        assert process.stdout is not None

        def give_up():  # knows nothing of self, which may be dropped
            late.set()
            process.kill()

        timer = threading.Timer(PATIENCE, give_up)
        timer.daemon = True
        timer.start()
        try:
            content = process.stdout.read(size)
        finally:
            timer.cancel()
        if late.is_set():
            self.close()
            raise self._error(f"ffmpeg has not finished after {PATIENCE} s")
        return content

    def _finish(self) -> None:
        """After the last byte: what ffmpeg has to say."""
        if self.process is None:
            return
        code = self.process.wait()
        self.log.seek(0)
        lines = self.log.read(1 << 20).decode(errors="replace").splitlines()
        self.complaints = complaints(lines, code).replace(f"file:{self.path}", "").strip()
        if self.done:
            self.frames = max(0, round((self._promised(lines) - LACKING) * self.samplerate))
        self.close()

    def _promised(self, lines) -> float:
        """Seconds, by the header; 0 where it does not say, or may speak of pictures."""
        if any(" Video: " in line for line in lines):
            return 0.0
        durations = [re.search(r"Duration: (\d+):(\d+):([\d.]+), start", line) for line in lines]
        estimated = any("Estimating duration" in line for line in lines)
        times = [60 * (60 * int(one[1]) + int(one[2])) + float(one[3]) for one in durations if one and not estimated]
        return times[0] if times else 0.0

    def _error(self, what) -> AudioError:
        return AudioError(
            got=f"{self.name}: {what}",
            expected="a file with a sound track that ffmpeg decodes",
            remedy="copy the file again from where it came, or put a wav in its place",
        )

    def close(self) -> None:
        """End ffmpeg, and remove what was written for it."""
        if self.process is not None:
            self.process.kill()
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.process.wait()
            self.process = None
            self.log.close()
        if self.folder is not None:
            self.folder.cleanup()
            self.folder = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __del__(self):
        self.close()
