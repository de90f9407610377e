import numpy as np
import pytest
import torch
from fake_run import CLASSES, random_modules, tone, write_wav

from ser_plugins.classifier import ClassifierHead, RegressionHead, UtteranceEncoder
from ser_plugins.cli.pictures import explanation_figure, save_picture
from ser_plugins.errors import AudioError, SerError
from ser_plugins.inference import EmotionClassifier, SentimentRegressor
from ser_plugins.inference.explain import explain_file, saliency
from ser_plugins.inference.explain_text import explain_text
from ser_plugins.subwords import SubwordEncoder
from ser_plugins.text import Fusion, TextEncoder


@pytest.fixture(scope="module")
def modules():
    return random_modules()


@pytest.fixture
def recording(tmp_path):
    return write_wav(tmp_path / "a.wav", tone(1.0))


def test_saliency_is_zero_on_padding_and_that_of_the_recording_alone():
    modules = random_modules().double()
    frames = torch.randn(2, 60, 400, dtype=torch.float64) * 3 - 8
    gradient, weights = saliency(modules, frames, torch.tensor([60, 33]))
    assert gradient[1, :33].abs().amax(dim=1).min() > 0
    assert gradient[1, 33:].abs().max() == 0
    assert weights[1, :, :, 9:].abs().max() == 0  # of 33 frames, the front end leaves 9
    alone, _ = saliency(modules, frames[1:, :33])
    torch.testing.assert_close(gradient[1:, :33], alone, rtol=1e-9, atol=1e-12)


def test_saliency_is_the_slope_of_the_log_odds():
    """Against finite differences, along a random direction."""
    modules = random_modules().double()
    frames, direction = torch.randn(2, 1, 40, 400, dtype=torch.float64)
    gradient, _ = saliency(modules, frames)

    def outputs(step=0.0):
        moved = modules["mean_var_norm"](frames + step * direction * modules["mean_var_norm"].std)
        return modules["classifier"](modules["embedding_model"](moved))[0, 0]

    best = outputs().argmax()
    with torch.no_grad():
        above, below = (outputs(step)[best].exp().logit() for step in (1e-6, -1e-6))
    assert float(above - below) / 2e-6 == pytest.approx(float((gradient * direction).sum()), rel=1e-4)


def test_saliency_does_not_vanish_where_the_model_is_sure():
    sure = random_modules()
    with torch.no_grad():
        sure["classifier"].output.weight.mul_(200)
    frames = torch.randn(1, 40, 400) * 3 - 8
    gradient, _ = saliency(sure, frames)
    outputs = sure["classifier"](sure["embedding_model"](sure["mean_var_norm"](frames)))
    assert outputs.max() == 0  # a probability of 1: its own gradient is 0
    assert gradient.abs().max() > 0


def test_an_explanation_is_of_what_the_model_says(modules, recording, tmp_path):
    model = EmotionClassifier(modules, CLASSES)
    found = explain_file(model, recording)
    label, probability, _ = model.predict_file(recording)
    assert found.answer == f"{label} ({probability:.0%})"
    assert found.frames.shape == found.gradient.shape == (101, 400) == (len(found.times), len(found.frequencies))
    assert (found.times[-1], found.frequencies[-1]) == (1.0, 3990)
    assert found.attention.shape == (2, len(found.attention_times)) == (2, 26)
    np.testing.assert_allclose(found.attention.sum(axis=1), 1, rtol=1e-5)
    assert 0 < found.attention_times[0] < found.attention_times[-1] < 1
    found.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert np.array_equal(arrays["gradient"], found.gradient)
        assert np.array_equal(arrays["saliency"], np.abs(found.gradient))
        assert str(arrays["answer"]) == found.answer
    save_picture(explanation_figure(found), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"


def test_explaining_leaves_no_gradients_behind(modules, recording):
    explain_file(EmotionClassifier(modules, CLASSES), recording)
    assert all(value.grad is None and not value.requires_grad for value in modules.parameters())


@pytest.mark.parametrize("parts", [{"heads": 0}, {"recurrence": "none"}, {"recurrence": "lstm"}, {"front_end": "none"}])
def test_every_kind_of_model_can_be_explained(modules, parts, recording):
    encoder = UtteranceEncoder(**{"hidden_size": 8, "heads": 2, **parts})
    other = torch.nn.ModuleDict(
        {**modules, "embedding_model": encoder, "classifier": ClassifierHead(encoder.output_size, 7)}
    )
    found = explain_file(EmotionClassifier(other, CLASSES), recording)
    assert (found.attention is None) == (encoder.attention is None)
    assert np.abs(found.gradient).max() > 0
    explanation_figure(found)


def test_a_score_can_be_explained(modules, recording):
    model = SentimentRegressor(torch.nn.ModuleDict({**modules, "classifier": RegressionHead(16)}), "mosi")
    assert explain_file(model, recording).answer == f"{model.predict_file(recording).score:.2f}"


def test_what_is_no_utterance_is_refused(modules, tmp_path):
    model = EmotionClassifier(modules, CLASSES)
    with pytest.raises(SerError, match="more than 60 s"):
        explain_file(model, write_wav(tmp_path / "long.wav", np.zeros(61 * 16000)))
    with pytest.raises(AudioError, match="silent"):
        explain_file(model, write_wav(tmp_path / "silent.wav", np.zeros(16000)))


@pytest.mark.parametrize("reader", [TextEncoder, Fusion])
def test_a_model_that_reads_is_explained_with_its_words(reader, recording):
    subwords = SubwordEncoder(60).fit(["good day", "bad day", "good", "bad", "day"])
    modules = random_modules()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"hidden_size": 8, "heads": 2} if reader is TextEncoder else {"hidden_size": 8, "text_hidden_size": 8}
        encoder = reader(vocabulary=60, piece_size=8, **sizes)
        modules.update({"embedding_model": encoder, "classifier": ClassifierHead(encoder.output_size, 7)})
    modules["subwords"] = subwords
    model = EmotionClassifier(modules.eval(), CLASSES, any_sound=True)
    explained = explain_file(model, recording, "good day")
    prediction = model.predict_file(recording, "good day")
    assert explained.answer == f"{prediction.label} ({prediction.probability:.0%})"
    assert (np.abs(explained.gradient).max() > 0) == (reader is Fusion)
    pieces = explain_text(model, recording, "good day")
    drawn = explanation_figure(explained, pieces=pieces).axes
    (words,) = [axes for axes in drawn if axes.get_title().startswith("what is said")]
    shown = [label.get_text() for label in words.get_xticklabels()]
    assert shown == [piece.piece.strip("\u2581") or "_" for piece in pieces]
