"""Measuring files, manifests, and comparing both with what was published."""

import json
import struct

import numpy as np
import pytest
import soundfile

from ser_plugins.corpora.manifest import Utterance, digest, entry, measure, read_manifest
from ser_plugins.corpora.sounds import measure_wavs
from ser_plugins.corpora.verify import read_checksums, read_marker
from ser_plugins.errors import SerError
from ser_plugins.files import write_json

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
