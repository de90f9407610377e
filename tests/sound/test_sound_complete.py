"""All of a recording is used, or it is said where it ends: cut, damaged, untidy, one behind another, in any format."""

import io
import struct
import subprocess

import numpy as np
import pytest
import soundfile

from ser_plugins.errors import AudioError, SerError
from ser_plugins.sound.ffmpeg import find_ffmpeg
from ser_plugins.sound.mp3 import parse_header
from ser_plugins.sound.ogg import LAST, _checksum
from ser_plugins.sound.read import LENIENCE, read_blocks, read_wave

RATE = 16000
PLACES = 24  # where each file is cut
SOUND = 0.3 * np.sin(np.arange(round(2.3 * RATE)) ** 1.3 / 50) + np.random.default_rng(0).normal(0, 0.05, 36800)
FORMATS = {
    "WAV": "PCM_U8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ALAW ULAW IMA_ADPCM MS_ADPCM GSM610",
    "WAVEX": "PCM_16 FLOAT",
    "RF64": "PCM_16 FLOAT",
    "W64": "PCM_16 FLOAT MS_ADPCM",
    "AIFF": "PCM_S8 PCM_16 PCM_24 FLOAT ULAW IMA_ADPCM",
    "AU": "PCM_16 FLOAT ALAW G721_32",
    "CAF": "PCM_S8 PCM_16 FLOAT ALAC_16",
    "SVX": "PCM_16",
    "NIST": "PCM_16 ULAW",
    "AVR": "PCM_16",
    "VOC": "PCM_16",
    "FLAC": "PCM_16 PCM_24",
    "OGG": "VORBIS OPUS",
    "MP3": "MPEG_LAYER_III",
}
WRITTEN = [
    (container, coding)
    for container, codings in FORMATS.items()
    for coding in codings.split()
    if coding in soundfile.available_subtypes(container)
]
CHECKED = [pair for pair in WRITTEN if pair[0] in ("FLAC", "OGG")]  # have check sums
BY_FFMPEG = {
    "variable.mp3": "-q:a 4",
    "constant.mp3": "-b:a 32k",
    "stereo.mp3": "-ar 44100 -ac 2 -q:a 6",
    "vorbis.ogg": "-c:a libvorbis",
    "opus.ogg": "-c:a libopus",
    "flac.flac": "",
    "adpcm.wav": "-c:a adpcm_ima_wav",
    "mp3.wav": "-c:a libmp3lame",
}
WITHOUT_LENGTH = {  # what a pipe writes: nothing in it says how long it is
    "variable.mp3": "-q:a 4 -f mp3",
    "constant.mp3": "-b:a 32k -f mp3",
    "pcm.wav": "-f wav",
    "float.wav": "-c:a pcm_f32le -f wav",
    "pcm.au": "-f au",
    "pcm.w64": "-f w64",
    "pcm.aiff": "-f aiff",
    "pcm.caf": "-f caf",
    "flac.flac": "-f flac",
}


def written(container, coding, wave=SOUND, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=container, subtype=coding)
    return file.getvalue()


@pytest.fixture(scope="module")
def ffmpeg():
    try:
        program = find_ffmpeg()
    except SerError as error:
        pytest.skip(str(error))

    def encode(options, target="-"):
        command = [program, "-nostdin", "-v", "error", "-f", "wav", "-i", "pipe:", *options.split(), target]
        return subprocess.run(command, input=written("WAV", "PCM_16"), capture_output=True, check=True).stdout

    return encode


def seconds(content):
    rate, blocks = read_blocks(io.BytesIO(content))
    return sum(map(len, blocks)) / rate


def outcome(content):
    try:
        return seconds(content)
    except AudioError as error:
        return str(error)


def cut_everywhere(content):
    """Lengths of what is taken of a file cut at many places."""
    whole = seconds(content)
    assert whole == pytest.approx(len(SOUND) / RATE, abs=0.15)
    places = np.linspace(0, len(content), PLACES + 1)[:-1].round().astype(int) + np.arange(PLACES) % 7
    found = [outcome(content[:place]) for place in places]
    messages = [one for one in found if isinstance(one, str)]
    assert all("the audio ends at" in one or " after " in one or "got: " in one for one in messages)
    return whole, [one for one in found if not isinstance(one, str)]


@pytest.mark.parametrize(("container", "coding"), WRITTEN)
def test_no_file_is_taken_that_was_cut(container, coding):
    whole, taken = cut_everywhere(written(container, coding))
    assert all(one >= whole - LENIENCE for one in taken)  # behind the sound


@pytest.mark.parametrize("name", BY_FFMPEG)
def test_no_file_of_ffmpegs_is_taken_that_was_cut(name, ffmpeg, tmp_path):
    ffmpeg(BY_FFMPEG[name], str(tmp_path / name))
    whole, taken = cut_everywhere((tmp_path / name).read_bytes())
    assert all(one >= whole - LENIENCE for one in taken)


@pytest.mark.parametrize("name", WITHOUT_LENGTH)
def test_a_file_out_of_a_pipe_is_read_whole(name, ffmpeg):
    content = ffmpeg(WITHOUT_LENGTH[name])
    assert len(SOUND) / RATE <= seconds(content) <= len(SOUND) / RATE + 0.15
    assert seconds(content + content) == pytest.approx(2 * seconds(content), abs=0.1)


@pytest.mark.parametrize(("container", "coding"), WRITTEN)
def test_of_files_behind_one_another_all_are_read(container, coding):
    content = written(container, coding)
    twice = outcome(content + content)
    if container in ("AVR", "VOC", "NIST"):  # nobody writes those one behind another
        return
    assert twice == pytest.approx(2 * seconds(content), abs=0.01)


def test_of_files_behind_one_another_a_damaged_second_one_is_named():
    for container, coding in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")):
        content = written(container, coding)
        message = outcome(content + content[: 3 * len(content) // 4])
        place = float(message.split("ends at " if "ends at" in message else "after ")[1].split(" s")[0])
        assert len(SOUND) / RATE < place < 1.9 * len(SOUND) / RATE


def test_another_rate_behind_the_first_is_refused():
    both = written("WAV", "PCM_16") + written("WAV", "PCM_16", rate=8000)
    assert "after 2.300 s another recording follows, at 8000 Hz" in outcome(both)


@pytest.mark.parametrize("kind", ["zeros", "flipped", "missing"])
@pytest.mark.parametrize(("container", "coding"), CHECKED)
def test_damage_in_the_middle_is_found_where_there_are_check_sums(container, coding, kind):
    content = bytearray(written(container, coding))
    for place in np.linspace(0.3, 0.95, 8) * len(content):
        damaged, start = content.copy(), round(place)
        if kind == "zeros":
            damaged[start : start + 200] = bytes(200)
        elif kind == "flipped":
            damaged[start] ^= 0x10
        else:
            del damaged[start : start + 200]
        assert isinstance(outcome(bytes(damaged)), str), (container, coding, kind, start)


def test_frames_that_are_missing_in_an_mp3_are_found():
    content = written("MP3", "MPEG_LAYER_III")
    for place in np.linspace(0.1, 0.8, 8) * len(content):
        start = round(place)
        assert isinstance(outcome(content[:start] + content[start + 1500 :]), str)
        assert isinstance(outcome(content[:start] + bytes(1500) + content[start + 1500 :]), str)


# Files that are whole, with a header that is not true


def mp3_frames(content):
    place = content.find(b"\xff\xfb") if b"\xff\xfb" in content[:200] else content.find(b"\xff\xf3")
    while place < len(content):
        length = parse_header(content[place : place + 4]).length
        yield place, place + length
        place += length


def test_an_mp3_without_a_count_is_read_whole_and_a_cut_one_only_up_to_a_border_of_frames():
    quiet_first = np.concatenate([np.zeros(RATE // 4), SOUND, 0.001 * SOUND])  # variable: no frame like another
    file = io.BytesIO()
    soundfile.write(file, quiet_first, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.4)
    borders = list(mp3_frames(file.getvalue()))
    bare = file.getvalue()[borders[0][1] :]  # the first one counts the others
    assert b"Xing" not in bare
    assert seconds(bare) == pytest.approx(len(quiet_first) / RATE, abs=0.15)
    assert seconds(b"ID3\x04\0\0\0\0\0\x10" + bytes(16) + bare + b"TAG" + bytes(125)) == seconds(bare)
    ends = {end - borders[0][1] for _, end in borders}
    for place in range(600, len(bare), len(bare) // PLACES):
        assert isinstance(outcome(bare[:place]), str) or place in ends
    assert "after" not in outcome(bare[: borders[9][1] - borders[0][1] + 10])


def with_lengths(content, **lengths):
    """A wav with other lengths in its header than the true ones."""
    changed = bytearray(content)
    place = content.index(b"data") + 4
    if "riff" in lengths:
        changed[4:8] = struct.pack("<I", lengths["riff"])
    if "data" in lengths:
        changed[place : place + 4] = struct.pack("<I", lengths["data"])
    return bytes(changed)


@pytest.mark.parametrize("coding", ["PCM_16", "FLOAT", "ULAW", "MS_ADPCM"])
@pytest.mark.parametrize(
    "lengths", [{"data": 0}, {"data": 0, "riff": 0}, {"data": 2**32 - 1, "riff": 2**32 - 1}, {"data": 2**31 - 1}]
)
def test_a_wav_whose_writer_did_not_know_the_length_is_read_whole(coding, lengths):
    content = written("WAV", coding)
    assert seconds(with_lengths(content, **lengths)) == pytest.approx(seconds(content), abs=0.01)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_wav_whose_header_names_a_part_is_read_whole(share, tmp_path):
    content = written("WAV", "PCM_16")
    size = round(share * 2 * len(SOUND)) // 2 * 2
    for riff in (len(content) - 8, size + 36):
        (tmp_path / "a.wav").write_bytes(with_lengths(content, data=size, riff=riff))
        wave, _ = read_wave(tmp_path / "a.wav")
        assert np.array_equal(wave, read_blocks_whole(content))


def read_blocks_whole(content):
    return np.concatenate(list(read_blocks(io.BytesIO(content))[1]))


@pytest.mark.parametrize(
    "rest", [b"LIST\x04\0\0\0INFO", b"TAG" + bytes(125), bytes(4096), b"LIST\xff\0\0\0INFO", b"id3 \x03\0\0\0ID3\0"]
)
def test_what_is_no_sound_behind_the_sound_is_not_taken_for_it(rest):
    content = written("WAV", "PCM_16")
    assert np.array_equal(read_blocks_whole(content + rest), read_blocks_whole(content))
    behind = outcome(content + rest + content)
    assert isinstance(behind, str) or behind >= 2 * len(SOUND) / RATE


def test_a_flac_without_a_length_is_read_whole_and_a_cut_one_refused():
    content = bytearray(written("FLAC", "PCM_16"))
    whole = read_blocks_whole(bytes(content))
    for total in (0, len(SOUND) // 2):
        content[21:26] = bytes([content[21] & 0xF0]) + total.to_bytes(4, "big")
        assert np.array_equal(read_blocks_whole(bytes(content)), whole)
    content[21:26] = bytes([content[21] & 0xF0]) + bytes(4)
    for place in range(len(content) // PLACES, len(content) - 1, len(content) // PLACES):
        assert isinstance(outcome(bytes(content[:place])), str)


def ogg_pages(content):
    place = 0
    while place < len(content):
        segments = content[place + 26]
        end = place + 27 + segments + sum(content[place + 27 : place + 27 + segments])
        yield place, end
        place = end


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
def test_an_ogg_without_the_mark_of_its_end_is_read_whole_and_one_that_was_cut_between_pages_refused(coding):
    content = written("OGG", coding, np.tile(SOUND, 3))
    pages = list(ogg_pages(content))
    assert len(pages) > 6
    last = bytearray(content[pages[-1][0] :])
    last[5] &= ~LAST
    last[22:26] = struct.pack("<I", _checksum(last))
    assert np.array_equal(read_blocks_whole(content[: pages[-1][0]] + bytes(last)), read_blocks_whole(content))
    for _, end in pages[2:-1]:
        assert isinstance(outcome(content[:end]), str)
    first, second = pages[4][0], pages[4][1]
    assert "is missing" in outcome(content[:first] + content[second:])


def test_a_file_and_an_upload_are_judged_alike(tmp_path):
    content = written("OGG", "VORBIS")
    (tmp_path / "a.ogg").write_bytes(content[:-50])
    with pytest.raises(
        AudioError,
        match=r"a\.ogg: the audio ends at \d\.\d+ s; expected: a whole file: .* an Ogg page",
    ):
        read_wave(tmp_path / "a.ogg")
    assert "the file ends in the middle of an Ogg page" in outcome(content[:-50])
