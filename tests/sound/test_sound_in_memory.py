"""Laws of what is judged: a file, the same sound in memory, in a list, in pieces; by one model or a mean of several."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import torch
from fake_run import CLASSES, random_modules, tone, write_wav

from ser_plugins.classifier import RegressionHead
from ser_plugins.errors import AudioError, SerError
from ser_plugins.inference import EmotionClassifier, SentimentRegressor


def regressor(seed=0):
    modules = random_modules(seed)
    modules["classifier"] = RegressionHead(modules["embedding_model"].output_size)
    return modules


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier(random_modules(), CLASSES)


@pytest.fixture(scope="module")
def sentiment():
    with torch.random.fork_rng(devices=[]):
        return SentimentRegressor(regressor(), "mosi")


def numbers(outcome):
    return list(outcome.probabilities.values()) if hasattr(outcome, "probabilities") else [outcome.score]


@pytest.mark.parametrize("kind", ["classifier", "sentiment"])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (8000, 1)])
def test_a_file_and_its_samples_are_the_same(request, tmp_path, kind, rate, channels):
    model = request.getfixturevalue(kind)
    path = write_wav(tmp_path / "a.wav", tone(0.6, rate, channels=channels), rate, "FLOAT")
    wave = soundfile.read(path, dtype="float32", always_2d=True)[0].T  # (channels, samples)
    expected = numbers(model.predict(path))
    assert numbers(model.predict_file(path)) == expected
    for sound in (wave, torch.as_tensor(wave.copy()), wave.astype("float64"), *([wave[0]] if channels == 1 else [])):
        np.testing.assert_allclose(numbers(model.predict(sound, rate)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["classifier", "sentiment"])
def test_a_list_gives_what_each_gives_alone(request, tmp_path, kind):
    model = request.getfixturevalue(kind)
    sounds = [tone(0.2 + 0.13 * place, 8000, pitch=120 + 40 * place) for place in range(5)]
    sounds.insert(2, write_wav(tmp_path / "a.wav", tone(0.9)))
    alone = [model.predict(sound, 8000) for sound in sounds]
    for batch_size in (1, 4, 16):
        together = model.predict(sounds, 8000, batch_size=batch_size)
        np.testing.assert_allclose([*map(numbers, together)], [*map(numbers, alone)], rtol=0, atol=1e-5)
    assert model.predict([]) == []


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (tone(), None, "None Hz; expected: a usual sample rate"),
        (tone(), 0, "0 Hz"),
        (tone(), 44101, "44101 Hz"),
        (tone().reshape(-1, 1), 16000, r"\(9600, 1\) of float32; .*transpose"),
        ((tone() * 32767).astype("int16"), 16000, "int16; .*divide 16-bit integers"),
        (3.5, 16000, "waveform: float"),
        (np.full(9600, np.nan, "float32"), 16000, "NaN"),
        (np.zeros(9600, "float32"), 16000, "silent"),
        (np.zeros(0, "float32"), 16000, "0.000 s"),
    ],
)
def test_unusable_sound_is_refused_in_words(classifier, sound, rate, message):
    with pytest.raises(AudioError, match=message):
        classifier.predict(sound, rate)


@pytest.mark.parametrize("rate", [16000, 44100, 8000])
@pytest.mark.parametrize("pieces", [1, 7, 400])
def test_a_stream_gives_the_windows_of_the_file(classifier, tmp_path, rate, pieces):
    wave = tone(2.3, rate)
    wave[rate : round(1.5 * rate)] = 0  # a silent window
    path = write_wav(tmp_path / "a.wav", wave, rate, "FLOAT")
    expected = list(classifier.classify_windows(path, window=0.5, hop=0.3))
    stream = classifier.stream(rate, window=0.5, hop=0.3)
    found = [window for piece in np.array_split(wave, pieces) for window in stream.feed(piece)] + stream.close()
    assert [window[:3] for window in found] == [window[:3] for window in expected]
    close = 1e-5 if rate == 16000 else 1e-4  # resampling in other pieces rounds otherwise, and random weights amplify
    for one, other in zip(found, expected, strict=True):
        if other.label is not None:
            np.testing.assert_allclose(numbers(one), numbers(other), rtol=0, atol=close)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_the_first_result_comes_after_the_latency_and_memory_is_bounded(classifier, rate):
    stream, fed, held = classifier.stream(rate, window=0.5, hop=0.25), 0, []
    first = None
    for piece in np.array_split(tone(6.0, rate), 600):  # 10 ms each
        fed += len(piece)
        if stream.feed(piece) and first is None:
            first = fed / rate
        held.append(len(stream.cutter.held) + len(stream.resampler.held))
    assert 0.5 <= first <= stream.latency + 0.011
    assert max(held[100:]) <= max(held[:100])


def test_a_bad_piece_is_refused_and_the_stream_goes_on(classifier):
    wave = tone(1.0)
    stream, plain = (classifier.stream(16000, window=0.5, hop=0.5) for _ in range(2))
    stream.feed(wave[:4000])
    plain.feed(wave[:4000])
    with pytest.raises(AudioError, match="stream: NaN"):
        stream.feed(np.full(100, np.nan))
    assert stream.feed(wave[4000:]) == plain.feed(wave[4000:])
    assert stream.close() == plain.close() == []
    with pytest.raises(SerError, match="a stream that was closed"):
        stream.feed(wave)
    with pytest.raises(SerError, match="a window of at least"):
        classifier.stream(16000, window=0.01)


def test_the_callers_array_may_be_reused(classifier):
    stream, plain = (classifier.stream(16000, window=0.5, hop=0.5) for _ in range(2))
    wave, buffer, found = tone(1.0), np.zeros(1600, "float32"), []
    for piece in wave.reshape(10, 1600):
        buffer[:] = piece
        found += stream.feed(buffer)
    assert found == plain.feed(wave)


def test_abstaining_withholds_labels_and_nothing_else(classifier):
    sounds = [tone(0.4, pitch=100 + 60 * place) for place in range(6)]
    plain = classifier.predict(sounds, 16000)
    threshold = sorted(one.probability for one in plain)[3]
    careful = EmotionClassifier(random_modules(), CLASSES, abstain_below=threshold)
    for one, other in zip(careful.predict(sounds, 16000), plain, strict=True):
        assert one.label == (other.label if other.probability >= threshold else None)
        assert one[1:] == other[1:]
    assert careful.classify_batch(sounds[0]).labels == [careful.predict(sounds[0], 16000).label]
    with pytest.raises(SerError, match=r"abstain_below=1\.5; expected: a probability"):
        EmotionClassifier(random_modules(), CLASSES, abstain_below=1.5)


def test_an_ensemble_is_the_mean_of_its_members(sentiment):
    members = [random_modules(seed) for seed in range(3)]
    batch = np.stack([tone(), tone(pitch=300.0)])
    alone = torch.stack([EmotionClassifier(one, CLASSES).classify_batch(batch).probabilities for one in members])
    together = EmotionClassifier(members[0], CLASSES, others=members[1:]).classify_batch(batch)
    torch.testing.assert_close(together.probabilities, alone.mean(dim=0))
    assert together.labels == [CLASSES[place] for place in alone.mean(dim=0).argmax(dim=1)]
    scores = [SentimentRegressor(regressor(seed), "mosi") for seed in range(2)]
    mean = SentimentRegressor(scores[0].modules, "mosi", others=[scores[1].modules]).classify_batch(batch).score
    torch.testing.assert_close(mean, torch.stack([one.classify_batch(batch).score for one in scores]).mean(dim=0))


def test_many_threads_give_what_one_gives(tmp_path):
    members = [random_modules(seed) for seed in range(2)]
    model = EmotionClassifier(members[0], CLASSES, others=members[1:])
    sounds = [tone(0.1 + 0.02 * (place % 9), 22050, pitch=90 + 15 * place) for place in range(48)]
    path = write_wav(tmp_path / "long.wav", tone(1.5))

    def judge(place):
        if place % 4 == 0:
            return list(model.classify_windows(path, window=0.5, hop=0.5))
        if place % 4 == 1:
            stream = model.stream(22050, window=0.1, hop=0.1)
            return [*stream.feed(sounds[place][:999]), *stream.feed(sounds[place][999:]), *stream.close()]
        return model.predict(sounds[place : place + place % 4 - 1], 22050)

    expected = [judge(place) for place in range(len(sounds))]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(judge, range(len(sounds)))) == expected
