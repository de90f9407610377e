"""Measuring files, manifests, and comparing both with what was published."""

import json
import struct
import subprocess
from hashlib import sha256

import numpy as np
import pytest
import soundfile

from ser_plugins.corpora.manifest import Utterance, digest, entry, measure, read_manifest
from ser_plugins.corpora.sounds import measure_wavs
from ser_plugins.corpora.verify import read_checksums, read_marker
from ser_plugins.errors import SerError
from ser_plugins.files import write_json
from ser_plugins.sound.ffmpeg import find_ffmpeg
from ser_plugins.sound.read import read_wave

SAMPLES = (3000 * np.sin(np.arange(1600) / 5)).astype(np.int16)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "plain.wav"
    soundfile.write(path, SAMPLES, 16000)
    return path


def with_pad_chunk(samples, size=4044):
    """Bytes of a wav with a chunk ``PAD `` before ``data``, as four files of EmoDB have."""
    audio = samples.astype("<i2").tobytes()
    body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    body += b"PAD " + struct.pack("<I", size) + bytes(size) + b"data" + struct.pack("<I", len(audio)) + audio
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_measure(wav):
    sound = measure(wav)
    assert (sound.sample_rate, sound.channels, sound.duration, sound.size) == (16000, 1, 0.1, wav.stat().st_size)


def test_a_pad_chunk_is_no_audio(wav, tmp_path):
    padded = tmp_path / "padded.wav"
    padded.write_bytes(with_pad_chunk(SAMPLES))
    one, other = measure(wav), measure(padded)
    assert other.duration == 0.1
    assert one.sha256 != other.sha256
    assert one.audio_sha256 == other.audio_sha256


def test_one_sample_makes_another_recording(wav, tmp_path):
    changed = SAMPLES.copy()
    changed[7] += 1
    soundfile.write(tmp_path / "changed.wav", changed, 16000)
    assert measure(wav).audio_sha256 != measure(tmp_path / "changed.wav").audio_sha256


class TestFloats:
    """Read as 16-bit integers, a float file is all zeros: its hash was once that of its length."""

    @pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au", "a.w64"])
    @pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
    def test_a_float_copy_is_the_same_recording(self, wav, tmp_path, name, subtype):
        soundfile.write(tmp_path / name, SAMPLES / 32768, 16000, subtype=subtype)
        assert measure(tmp_path / name).audio_sha256 == measure(wav).audio_sha256

    @pytest.mark.parametrize("subtype", ["PCM_24", "PCM_32"])
    def test_a_copy_in_longer_integers_is_the_same_recording(self, wav, tmp_path, subtype):
        soundfile.write(tmp_path / "a.wav", SAMPLES, 16000, subtype=subtype)
        assert measure(tmp_path / "a.wav").audio_sha256 == measure(wav).audio_sha256

    def test_a_float_copy_of_24_bits_is_the_same_recording(self, tmp_path):
        wave = np.random.default_rng(0).integers(-(2**23), 2**23, 1600) / 2**23
        soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="PCM_24")
        soundfile.write(tmp_path / "b.wav", wave, 16000, subtype="FLOAT")
        assert measure(tmp_path / "a.wav").audio_sha256 == measure(tmp_path / "b.wav").audio_sha256

    @pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
    @pytest.mark.parametrize("scale", [0.9, 1e-3, 1e-6, 1e-30, 32768.0])
    def test_recordings_of_one_length_are_told_apart(self, tmp_path, subtype, scale):
        rng = np.random.default_rng(0)
        for name in "ab":
            soundfile.write(tmp_path / f"{name}.wav", rng.uniform(-scale, scale, 1600), 16000, subtype=subtype)
        assert measure(tmp_path / "a.wav").audio_sha256 != measure(tmp_path / "b.wav").audio_sha256

    def test_the_hash_of_integers_is_that_of_their_16_bits(self, wav):
        assert measure(wav).audio_sha256 == sha256(SAMPLES.astype("<i2").tobytes()).hexdigest()

    @pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac"])
    def test_compressed_recordings_are_told_apart(self, tmp_path, name):
        for folder, seed in (("x", 0), ("y", 1)):
            (tmp_path / folder).mkdir()
            soundfile.write(tmp_path / folder / name, np.random.default_rng(seed).uniform(-0.5, 0.5, 8000), 16000)
        one, other = (measure(tmp_path / folder / name) for folder in "xy")
        assert one.duration == other.duration > 0
        assert one.audio_sha256 != other.audio_sha256


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac", "a.wav", "a.aiff"])
def test_all_of_the_recordings_behind_one_another_are_measured(tmp_path, name):
    """As long as what is read; two files that differ only in the second recording are two recordings."""
    parts = []
    for seed in range(3):
        soundfile.write(tmp_path / name, np.random.default_rng(seed).uniform(-0.5, 0.5, 8000), 16000)
        parts.append((tmp_path / name).read_bytes())
    sounds = []
    for second in parts[1:]:
        (tmp_path / name).write_bytes(parts[0] + second)
        sounds.append(measure(tmp_path / name))
        wave, rate = read_wave(tmp_path / name)
        assert sounds[-1].duration == len(wave) / rate >= 1.0
    assert sounds[0].audio_sha256 != sounds[1].audio_sha256


def test_recordings_of_two_rates_behind_one_another_are_hashed_only(wav, tmp_path):
    soundfile.write(tmp_path / "slow.wav", SAMPLES, 8000)
    (tmp_path / "both.wav").write_bytes(wav.read_bytes() + (tmp_path / "slow.wav").read_bytes())
    assert measure(tmp_path / "both.wav").audio_sha256 is None


@pytest.mark.parametrize(("name", "lossless"), [("a.tta", True), ("a.wv", True), ("a.m4a", False)])
def test_what_only_ffmpeg_decodes_is_measured_as_it_is_read(wav, tmp_path, name, lossless):
    try:
        program = find_ffmpeg()
    except SerError:
        pytest.skip("no ffmpeg here")
    subprocess.run([program, "-v", "error", "-i", wav, tmp_path / name], check=True)
    sound = measure(tmp_path / name)
    wave, rate = read_wave(tmp_path / name)
    assert (sound.sample_rate, sound.channels, sound.duration) == (rate, 1, len(wave) / rate)
    assert (sound.audio_sha256 == measure(wav).audio_sha256) == lossless


def test_what_cannot_be_decoded_is_hashed_only(tmp_path):
    (tmp_path / "text.wav").write_text("no audio")
    sound = measure(tmp_path / "text.wav")
    assert sound.size == 8
    assert sound.audio_sha256 is sound.duration is None


def test_manifests_round_trip(wav, tmp_path):
    manifest = {
        "ü1": entry(Utterance("ü1", "plain.wav", {"speaker": "spk03", "recognition": None}), measure(wav), "wav")
    }
    write_json(tmp_path / "train.json", manifest)
    again = read_manifest(tmp_path / "train.json")
    assert again == manifest
    assert digest(again) == digest(manifest)
    assert list(again["ü1"]) == ["wav", "duration", "speaker", "recognition", "sha256", "audio_sha256"]


def test_only_wavs_are_measured_wherever_they_lie(wav, tmp_path):
    (tmp_path / "._plain.wav").write_bytes(b"macOS keeps its own notes")
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "Session1").mkdir()
    wav.rename(tmp_path / "Session1" / "other.WAV")
    assert list(measure_wavs(tmp_path)) == ["Session1/other.WAV"]
    assert measure_wavs(tmp_path / "nowhere") == {}


def test_checksums_are_read(tmp_path):
    (tmp_path / "list.tsv").write_text("a.wav\tabc\t12\nb.wav\tdef\t13\n")
    assert read_checksums(tmp_path / "list.tsv") == {"a.wav": ("abc", 12), "b.wav": ("def", 13)}


@pytest.mark.parametrize("content", [{}, {"files": ["a.wav"]}, {"files": {"a.wav": 3}}, [1]])
def test_a_damaged_marker(tmp_path, content):
    (tmp_path / "synthetic_corpus.json").write_text(json.dumps(content))
    with pytest.raises(SerError, match=r"synthetic_corpus\.json: no list of files.*make demo"):
        read_marker(tmp_path)
