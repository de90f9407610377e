"""The plugin modules: the spectrogram against its formula, and nothing that padding could reach."""

import itertools

import numpy as np
import pytest
import torch
import torchaudio
from torch import nn

from ser_plugins.attention import MultiHeadSelfAttention, _dropout
from ser_plugins.classifier import ClassifierHead, MultiTaskHead, RegressionHead, UtteranceEncoder
from ser_plugins.encoders import PRESETS, ConvFrontEnd, RecurrentStack, StateMix
from ser_plugins.errors import SerError
from ser_plugins.lengths import frame_counts
from ser_plugins.losses import Concordance, CrossEntropy, Focal, L1OnProbabilities, MultiTask
from ser_plugins.pooling import POOLINGS, make_pooling
from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm

COUNTS = torch.tensor([61, 40, 23, 9])


def padded(width=400, counts=COUNTS, junk=0.0):
    """Frames (batch, time, width) with ``junk`` where padded, and the unpadded items."""
    frames = torch.full((len(counts), int(counts.max()), width), junk)
    items = [torch.randn(int(n), width) for n in counts]
    for row, item in zip(frames, items, strict=True):
        row[: len(item)] = item
    return frames, items


def numpy_spectrogram(wave, rate=16000, win=640, hop=160, n_fft=1600, bins=400, floor=1e-10):
    """The formula of the module docstring, written as it stands: one DFT sum per frame and bin."""
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(win) / win)  # periodic Hamming
    basis = np.exp(-2j * np.pi * np.outer(np.arange(win), np.arange(bins)) / n_fft)
    x = np.concatenate([np.zeros(win // 2), wave, np.zeros(win)])
    frames = [x[t * hop : t * hop + win] * window @ basis for t in range(1 + len(wave) // hop)]
    return np.log(np.maximum(np.abs(np.array(frames)) ** 2, floor))


@pytest.mark.parametrize("samples", [1, 159, 160, 4001, 16000])
def test_spectrogram_equals_the_formula(samples):
    wave = np.random.default_rng(0).normal(0, 0.1, samples)
    ours = LogPowerSpectrogram()(torch.tensor(wave, dtype=torch.float32)[None])[0].numpy()
    assert ours.shape == (1 + samples // 160, 400)
    # Relative to the power: the logarithm of an almost empty bin magnifies float32's rounding without bound.
    expected = np.exp(numpy_spectrogram(wave))
    np.testing.assert_allclose(np.exp(ours), expected, rtol=1e-4, atol=1e-4 * expected.max())
    loud = expected > 1e-4 * expected.max()
    np.testing.assert_allclose(ours[loud], np.log(expected)[loud], atol=1e-4)


def test_spectrogram_of_other_settings_equals_the_formula():
    wave = np.random.default_rng(1).normal(0, 0.1, 3000)
    settings = {"sample_rate": 8000, "win_length": 32, "hop_length": 8, "n_fft": 512, "max_frequency": 2000}
    ours = LogPowerSpectrogram(**settings, floor=1e-3)(torch.tensor(wave, dtype=torch.float32)[None])[0].numpy()
    expected = numpy_spectrogram(wave, 8000, win=256, hop=64, n_fft=512, bins=128, floor=1e-3)
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_a_tone_peaks_in_its_bin():
    time = torch.arange(16000) / 16000
    frames = LogPowerSpectrogram()(torch.sin(2 * torch.pi * 440 * time)[None])
    assert (frames[0, 5:-5].argmax(1) == 44).all()  # 10 Hz per bin


def test_mel_bands_sum_the_power_under_triangles():
    """Against torchaudio's triangles; a tone is loudest in the band whose centre is next to it."""
    compute_features, linear = (LogPowerSpectrogram(n_fft=1024, max_frequency=8000, mel_bands=n) for n in (40, 0))
    wave = torch.randn(2, 8000)
    triangles = torchaudio.functional.melscale_fbanks(linear.bins + 1, 0.0, 8000.0, 40, 16000, norm=None)[:-1]
    torch.testing.assert_close(compute_features(wave).exp(), linear(wave).exp() @ triangles, rtol=1e-3, atol=1e-4)
    assert compute_features.frequencies.shape == (compute_features.bins,) == (40,)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 16000)[None]
    nearest = (compute_features.frequencies - 1000).abs().argmin()
    assert (compute_features(tone)[0, 5:-5].argmax(1) == nearest).all()
    with pytest.raises(SerError, match="a band without a bin"):
        LogPowerSpectrogram(mel_bands=300)


def test_silence_is_the_floor():
    frames = LogPowerSpectrogram(floor=1e-10)(torch.zeros(1, 1000))
    torch.testing.assert_close(frames, torch.full_like(frames, np.log(1e-10)))


def test_spectrogram_stays_in_single_precision_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert LogPowerSpectrogram()(torch.randn(1, 1000)).dtype == torch.float32


def test_spectrogram_alone_and_padded_is_the_same():
    compute_features = LogPowerSpectrogram()
    wave = torch.randn(1, 5000)
    alone = compute_features(wave)
    batch = compute_features(nn.functional.pad(wave, (0, 3000)))
    # The last real frame of both sees the same zeros after the recording.
    torch.testing.assert_close(batch[:, : alone.shape[1]], alone)


@pytest.mark.parametrize("bad", [torch.zeros(3), torch.zeros(1, 0), torch.zeros(1, 2, 3)])
def test_spectrogram_refuses_other_shapes(bad):
    with pytest.raises(SerError, match=r"expected: \(batch, samples\)"):
        LogPowerSpectrogram()(bad)


def test_spectrogram_refuses_impossible_settings():
    with pytest.raises(SerError, match="window <= n_fft"):
        LogPowerSpectrogram(win_length=200)


def test_relative_lengths_are_exact_when_the_frames_know_their_wave():
    """Every length in samples, whatever the padded length: the fractions give back the integer count."""
    compute_features = LogPowerSpectrogram(n_fft=160, win_length=10, max_frequency=1000)
    for padded_samples in (1999, 2000, 2159):
        samples = torch.arange(1, padded_samples + 1, 7)
        frames = compute_features(torch.zeros(len(samples), padded_samples))
        counts = frame_counts(samples / padded_samples, frames)
        assert counts.equal(1 + samples // 160)
        assert counts.equal(compute_features.frame_counts(samples / padded_samples, padded_samples))


@pytest.mark.parametrize("bad", [torch.tensor([1.5]), torch.tensor([0]), torch.tensor([11])])
def test_impossible_lengths_are_refused(bad):
    with pytest.raises(SerError, match="expected: fractions in"):
        frame_counts(bad, torch.zeros(1, 10, 2))
    with pytest.raises(SerError, match="one length per item"):
        frame_counts(torch.ones(2), torch.zeros(1, 10, 2))


@pytest.mark.parametrize("mode", ["bin", "scalar", "utterance_mean"])
def test_znorm_is_exact_however_the_frames_are_batched(mode):
    frames, items = padded(7, junk=1e6)
    norm = ZNorm(7, mode).fit([(frames, COUNTS)])
    one_by_one = ZNorm(7, mode).fit((item[None], None) for item in items)
    own_mean = mode == "utterance_mean"
    everything = torch.cat(items).double()
    axis = (0, 1) if mode == "scalar" else 0
    torch.testing.assert_close(norm.mean, everything.mean(axis).float().expand(7))
    if own_mean:
        everything = torch.cat([item - item.mean(0) for item in items]).double()
    torch.testing.assert_close(norm.std, everything.std(axis, unbiased=False).float().expand(7))
    for fitted, other in zip(norm.state_dict().values(), one_by_one.state_dict().values(), strict=True):
        torch.testing.assert_close(fitted, other)
    assert norm.count == COUNTS.sum()


@pytest.mark.parametrize("mode", ZNorm.MODES)
def test_znorm_leaves_padding_at_zero_and_survives_a_constant_bin(mode):
    frames, _ = padded(7, junk=-32.0)
    frames[..., 3] = 5.0
    norm = ZNorm(7, mode)
    if mode != "utterance":
        norm.fit([(frames, COUNTS)])
    normed = norm(frames, COUNTS)
    assert normed.isfinite().all()
    for row, count in zip(normed, COUNTS, strict=True):
        assert (row[count:] == 0).all()
        if mode.startswith("utterance"):
            torch.testing.assert_close(row[:count].mean(0), torch.zeros(7), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", [mode for mode in ZNorm.MODES if mode != "utterance"])
def test_an_unfitted_znorm_is_an_error_on_every_device(mode):
    """Found without reading a number of the device: the meta device has none."""
    frames, device = torch.randn(2, 9, 7), torch.device("meta")
    norm = ZNorm(7, mode)
    with pytest.raises(SerError, match="a z-norm without statistics"):
        norm(frames)
    with pytest.raises(SerError, match="a z-norm without statistics"):
        norm.to(device)(frames.to(device))
    fitted = ZNorm(7, mode).fit([(frames, None)])
    assert fitted.to(device)(frames.to(device)).shape == frames.shape
    again = ZNorm(7, mode)
    again.load_state_dict(ZNorm(7, mode).state_dict())  # of one that never was fitted
    with pytest.raises(SerError, match="a z-norm without statistics"):
        again(frames)


def test_znorm_carries_its_statistics_in_state_dict_and_refuses_to_run_without():
    fitted = ZNorm(7).fit([(torch.randn(2, 9, 7), None)])
    fresh = ZNorm(7)
    with pytest.raises(SerError, match="z-norm without statistics"):
        fresh(torch.zeros(1, 2, 7))
    fresh.load_state_dict(fitted.state_dict())
    frames = torch.randn(1, 5, 7)
    assert fresh(frames).equal(fitted(frames))
    with pytest.raises(SerError, match="one of bin, scalar, utterance"):
        ZNorm(7, "corpus")
    with pytest.raises(SerError, match="got: no frames"):
        ZNorm(7).fit([])


SHAPES = {"fast": (76, 800), "mel": (76, 3200), "xu2024": (37, 1600), "vlss": (301, 1000)}


@pytest.mark.parametrize("preset", PRESETS)
def test_front_ends_have_the_documented_shapes(preset):
    frames, counts = ConvFrontEnd(400, preset)(torch.randn(1, 301, 400))
    assert tuple(frames.shape[1:]) == SHAPES[preset]
    assert counts.item() == SHAPES[preset][0]


def alone_and_batched(module, width):
    """A module's output for every item alone, and in a batch whose padding is junk."""
    frames, items = padded(width, junk=1e3)
    batch = module(frames, COUNTS)
    alone = [module(item[None], None) for item in items]
    return batch, alone


@pytest.mark.parametrize("deltas", [False, True])
@pytest.mark.parametrize("preset", PRESETS)
def test_front_ends_do_not_see_padding(preset, deltas):
    (frames, counts), alone = alone_and_batched(ConvFrontEnd(400, preset, deltas), 400)
    for row, count, (single, single_count) in zip(frames, counts, alone, strict=True):
        assert count == single_count == single.shape[1]
        torch.testing.assert_close(row[:count], single[0], atol=1e-5, rtol=1e-5)
        assert (row[count:] == 0).all()


@pytest.mark.parametrize(("cell", "both"), list(itertools.product(["gru", "lstm", "rnn"], [True, False])))
def test_recurrence_does_not_see_padding(cell, both):
    batch, alone = alone_and_batched(RecurrentStack(5, 8, 2, cell, both), 5)
    for row, count, single in zip(batch, COUNTS, alone, strict=True):
        torch.testing.assert_close(row[:count], single[0], atol=1e-6, rtol=1e-5)
        assert (row[count:] == 0).all()


def test_recurrence_equals_a_packed_bidirectional_layer():
    """The slow obvious twin: torch's own packed GRU with the same weights."""
    ours = RecurrentStack(5, 8, 2, "gru", True)
    torchs = nn.GRU(5, 8, 2, batch_first=True, bidirectional=True)
    for depth in range(2):
        for name, suffix, layers in (("l", "", ours.forward_layers), ("l", "_reverse", ours.backward_layers)):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                source = getattr(layers[depth], f"{kind}_{name}0")
                getattr(torchs, f"{kind}_{name}{depth}{suffix}").data.copy_(source.data)
    frames, _ = padded(5)
    packed = nn.utils.rnn.pack_padded_sequence(frames, COUNTS, batch_first=True)
    expected, _ = nn.utils.rnn.pad_packed_sequence(torchs(packed)[0], batch_first=True)
    torch.testing.assert_close(ours(frames, COUNTS), expected, atol=1e-6, rtol=1e-5)


def test_attention_equals_the_formula_and_its_weights_ignore_padding():
    attention = MultiHeadSelfAttention(6, heads=2, dropout=0.5).eval()
    frames, items = padded(6, junk=1e3)
    fused = attention(frames, COUNTS)
    explicit, weights = attention(frames, COUNTS, return_weights=True)
    torch.testing.assert_close(fused, explicit, atol=1e-5, rtol=1e-5)
    for row, count, item in zip(range(4), COUNTS, items, strict=True):
        assert (weights[row, :, :, count:] == 0).all()
        torch.testing.assert_close(weights[row, :, :count].sum(-1), torch.ones(2, int(count)))
        weight, bias = attention.project_in.weight.view(3, 6, 6), attention.project_in.bias.view(3, 6)
        query, key, value = (item @ weight[i].T + bias[i] for i in range(3))
        heads = [
            torch.softmax(query[:, h] @ key[:, h].T / 3**0.5, -1) @ value[:, h] for h in (slice(0, 3), slice(3, 6))
        ]
        expected = torch.cat(heads, 1) @ attention.project_out.weight.T + attention.project_out.bias
        torch.testing.assert_close(fused[row, :count], expected, atol=1e-4, rtol=1e-4)
        assert (fused[row, count:] == 0).all()


def test_attention_dropout_works_only_in_training():
    attention = MultiHeadSelfAttention(8, heads=2, dropout=0.5)
    frames = torch.randn(1, 20, 8)
    assert not attention(frames).equal(attention(frames))
    attention.eval()
    assert attention(frames).equal(attention(frames))
    with pytest.raises(SerError, match="heads that divides the width"):
        MultiHeadSelfAttention(256, heads=7)


@pytest.mark.parametrize("kind", POOLINGS)
def test_pooling_does_not_see_padding(kind):
    batch, alone = alone_and_batched(make_pooling(kind, 6).eval(), 6)
    torch.testing.assert_close(batch, torch.cat(alone), atol=1e-5, rtol=1e-5)


def test_pooling_of_a_constant_is_that_constant():
    frames = torch.full((1, 30, 4), 2.5)
    torch.testing.assert_close(make_pooling("mean", 4)(frames), torch.full((1, 4), 2.5))
    stats = make_pooling("stats", 4)(frames)
    torch.testing.assert_close(stats, torch.tensor([[2.5] * 4 + [0.0] * 4]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", ["stats", "weighted"])
def test_pooling_of_one_frame_has_finite_gradients(kind):
    frames = torch.randn(1, 1, 4, requires_grad=True)
    make_pooling(kind, 4)(frames).sum().backward()
    assert frames.grad.isfinite().all()


def test_weighted_pooling_without_a_preference_is_that_of_statistics():
    frames, counts = torch.randn(2, 30, 4), torch.tensor([30, 7])
    weighted = make_pooling("weighted", 4)
    nn.init.zeros_(weighted.score.weight)
    torch.testing.assert_close(weighted(frames, counts), make_pooling("stats", 4)(frames, counts), atol=1e-4, rtol=1e-4)


def test_deltas_of_a_ramp_are_its_slope():
    frames = torch.arange(10.0)[None, :, None].expand(1, 10, 8)
    front_end = ConvFrontEnd(8, "vlss", deltas=True)
    seen = []
    front_end.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    front_end(frames)
    (maps,) = seen  # (batch, channels, time, bins)
    torch.testing.assert_close(maps[0, 0], frames[0])
    torch.testing.assert_close(maps[0, 1, 1:-1], torch.full((8, 8), 2.0))
    assert not maps[0, 2, 2:-2].any()
    with pytest.raises(SerError, match="deltas with front_end none"):
        UtteranceEncoder(front_end="none", deltas=True)


# The systems of the paper's Tables 3 and 6
SYSTEMS = {
    "cnn": {"recurrence": "none", "heads": 0},
    "lstm": {"front_end": "none", "recurrence": "lstm", "bidirectional": False, "heads": 0},
    "rnn": {"front_end": "none", "recurrence": "rnn", "bidirectional": False, "heads": 0},
    "cnn_lstm": {"recurrence": "lstm", "bidirectional": False, "heads": 0},
    "bigru": {"heads": 0},
    "self_attention": {"front_end": "none", "recurrence": "none", "heads": 1},
    "bigru_self_attention": {"heads": 1},
    "mha": {"front_end": "none", "recurrence": "none", "heads": 8},
    **{f"bigru_mha_{heads}": {"heads": heads} for heads in (4, 8, 16, 32)},
    "bigru_mha_xu2024": {"front_end": "xu2024"},
    "bigru_mha_vlss": {"front_end": "vlss"},
    "bigru_mha_stats": {"pooling": "stats"},
    "bigru_mha_attentive": {"pooling": "attentive"},
    "bigru_mha_mel": {"front_end": "mel", "deltas": True, "layer_norm": True, "layers": 1, "pooling": "weighted"},
    "mha_normed": {"front_end": "none", "recurrence": "none", "layer_norm": True},
}


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("norm", ["bin", "utterance"])
def test_every_system_gives_the_same_alone_and_in_a_padded_batch(system, norm):
    compute_features, encoder = LogPowerSpectrogram(), UtteranceEncoder(**{"hidden_size": 32, **SYSTEMS[system]})
    head = ClassifierHead(encoder.output_size, 7)
    samples = torch.tensor([11111, 8000, 5119, 4000])
    waves = torch.randn(4, 11111) * (torch.arange(11111)[None] < samples[:, None])
    mean_var_norm = ZNorm(400, norm)
    if norm != "utterance":
        mean_var_norm.fit([(compute_features(waves), samples / 11111)])
    for module in (encoder, head):
        module.eval()

    def log_probabilities(waves, lengths):
        frames = mean_var_norm(compute_features(waves), lengths)
        return head(encoder(frames, lengths)).squeeze(1)

    with torch.no_grad():
        batch = log_probabilities(waves, samples / 11111)
        alone = [log_probabilities(wave[None, :n], torch.ones(1)) for wave, n in zip(waves, samples, strict=True)]
    torch.testing.assert_close(batch, torch.cat(alone), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("system", sorted(set(SYSTEMS) - {"bigru_mha_attentive"}))
def test_gradients_in_training_mode_do_not_depend_on_padding(system):
    """Without dropout, a padded batch trains as its items alone do (attentive pooling has a batch norm: left out)."""
    settings = {"hidden_size": 32, "attention_dropout": 0.0, **SYSTEMS[system]}
    encoder = UtteranceEncoder(**settings).train()
    frames, items = padded(400)

    def gradients(loss):
        return torch.autograd.grad(loss, list(encoder.parameters()), allow_unused=True)

    batch = gradients(encoder(frames, COUNTS).sum())
    alone = gradients(sum(encoder(item[None]).sum() for item in items))
    for one, other in zip(batch, alone, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("system", SYSTEMS)
def test_gradients_reach_every_parameter(system):
    encoder = UtteranceEncoder(**{"hidden_size": 32, **SYSTEMS[system]})
    head = ClassifierHead(encoder.output_size, 7)
    frames, _ = padded(400)
    loss = CrossEntropy()(head(encoder(frames, COUNTS)).squeeze(1), torch.tensor([0, 1, 2, 3]))
    loss.backward()
    for name, parameter in [*encoder.named_parameters(), *head.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("system", ["bigru_mha_8", "mha", "cnn"])
def test_state_dict_round_trip(system):
    one, other = (UtteranceEncoder(**{"hidden_size": 32, **SYSTEMS[system]}).eval() for _ in range(2))
    frames, _ = padded(400)
    assert not one(frames, COUNTS).equal(other(frames, COUNTS))
    other.load_state_dict(one.state_dict())
    assert one(frames, COUNTS).equal(other(frames, COUNTS))


def test_attention_weights_come_out_of_the_whole_encoder():
    embedding, weights = UtteranceEncoder(heads=4)(torch.randn(2, 61, 400), None, return_weights=True)
    assert embedding.shape == (2, 1, 256)
    assert weights.shape == (2, 4, 16, 16)
    assert UtteranceEncoder(heads=0)(torch.randn(2, 61, 400), None, return_weights=True)[1] is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"front_end": "resnet"}, "one of fast, xu2024, mel, vlss"),
        ({"recurrence": "transformer"}, "one of gru, lstm, rnn"),
        ({"pooling": "max"}, "one of mean, stats, attentive"),
        ({"heads": 7}, "divides the width"),
    ],
)
def test_unknown_stages_are_refused_with_the_options(settings, message):
    with pytest.raises(SerError, match=message):
        UtteranceEncoder(**settings)


def test_a_recording_too_short_for_the_front_end_is_refused():
    with pytest.raises(SerError, match="at least 8 frames"):
        ConvFrontEnd(400, "xu2024")(torch.zeros(1, 7, 400))


def test_losses_equal_their_formulas():
    log_probs = torch.randn(5, 3).log_softmax(-1)
    targets = torch.tensor([0, 2, 1, 1, 0])
    p = log_probs.exp().gather(1, targets[:, None]).squeeze(1)
    torch.testing.assert_close(CrossEntropy()(log_probs, targets), -p.log().mean())
    smoothed = 0.9 * -p.log().mean() + 0.1 * -log_probs.mean()
    torch.testing.assert_close(CrossEntropy(label_smoothing=0.1)(log_probs, targets), smoothed)
    weights = torch.tensor([1.0, 2.0, 3.0])
    weighted = (weights[targets] * -p.log()).sum() / weights[targets].sum()
    torch.testing.assert_close(CrossEntropy(class_weights=[1, 2, 3])(log_probs, targets), weighted)
    torch.testing.assert_close(L1OnProbabilities()(log_probs, targets), (2 * (1 - p) / 3).mean())
    torch.testing.assert_close(Focal(gamma=2)(log_probs, targets), (-((1 - p) ** 2) * p.log()).mean())
    torch.testing.assert_close(Focal(gamma=0)(log_probs, targets), CrossEntropy()(log_probs, targets))


@pytest.mark.parametrize("loss", [CrossEntropy(0.1, [1.0, 2.0, 3.0]), L1OnProbabilities(), Focal()])
def test_losses_take_what_speechbrain_hands_on(loss):
    log_probs, targets = torch.randn(5, 3).log_softmax(-1), torch.tensor([0, 1, 2, 1, 0])
    expected, lengths = loss(log_probs, targets), torch.linspace(0.2, 1, 5)
    for outputs in (log_probs, log_probs[:, None]):
        for labels in (targets, targets[:, None]):
            assert torch.equal(loss(outputs, labels, length=lengths), expected)
            assert torch.equal(loss(outputs, labels, lengths), expected)
    for outputs, labels in (
        (log_probs[:, None].expand(5, 2, 3), targets),  # not pooled over time
        (log_probs, targets[:4]),
        (log_probs, targets[:, None].expand(5, 2)),
        (log_probs, targets.float()),
    ):
        with pytest.raises(SerError, match=r"expected: log-probabilities \(batch, classes\)"):
            loss(outputs, labels)


def test_losses_of_numbers_take_what_speechbrain_hands_on():
    outputs, targets = torch.randn(5), torch.randn(5)
    parts = {"emotion": CrossEntropy(), "valence": torch.nn.L1Loss()}
    log_probs, classes = torch.randn(5, 3).log_softmax(-1), torch.tensor([0, 1, 2, 1, 0])
    expected = Concordance()(outputs, targets)
    both = MultiTask(parts)({"emotion": log_probs, "valence": outputs}, {"emotion": classes, "valence": targets})
    for shape in ((5,), (5, 1), (5, 1, 1)):
        assert torch.equal(Concordance()(outputs.view(shape), targets[:, None], torch.ones(5)), expected)
        given = {"emotion": log_probs[:, None], "valence": outputs.view(shape)}
        labels = {"emotion": classes[:, None], "valence": targets[:, None]}
        assert torch.equal(MultiTask(parts)(given, labels, length=torch.ones(5)), both)
    with pytest.raises(SerError, match="as many of both"):
        Concordance()(outputs, targets[:4])


def test_losses_permute_with_the_classes():
    log_probs, targets = torch.randn(5, 3).log_softmax(-1), torch.tensor([0, 2, 1, 1, 0])
    order = torch.tensor([2, 0, 1])
    for loss in (CrossEntropy(0.1), L1OnProbabilities(), Focal()):
        torch.testing.assert_close(loss(log_probs, targets), loss(log_probs[:, order], order.argsort()[targets]))


def test_the_gru_by_hand_gives_the_values_and_gradients_of_torchs(monkeypatch):
    """torch's layers, run over reversed sequences, are the slow and obvious twin."""
    stack = RecurrentStack(6, hidden_size=5)
    frames, counts = torch.randn(4, 9, 6, requires_grad=True), torch.tensor([9, 1, 4, 8])
    weights = torch.randn(4, 9, 10)

    def outcome(by_hand):
        monkeypatch.setattr(stack, "_may_be_by_hand", lambda frames: by_hand)
        output = stack(frames, counts)
        leaves = [frames, *stack.parameters()]
        return [output, *torch.autograd.grad((output * weights).sum(), leaves)]

    for ours, theirs in zip(outcome(True), outcome(False), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_trained_bi_gru_on_a_cpu_is_run_by_hand_and_nothing_else_is():
    def by_hand(**options):
        return RecurrentStack(4, 3, **options)._may_be_by_hand(torch.zeros(1, 2, 4))

    assert by_hand()
    assert not by_hand(cell="lstm")
    assert not by_hand(bidirectional=False)
    assert not RecurrentStack(4, 3).eval()._may_be_by_hand(torch.zeros(1, 2, 4))


@pytest.mark.parametrize("preset", ["fast", "xu2024"])
def test_gradients_of_the_front_end_are_those_of_plain_convolutions(preset):
    """Of one utterance without padding: convolution, pooling and ReLU, no masks, no function of our own."""
    front_end = ConvFrontEnd(64, preset)
    frames = torch.randn(1, 40, 64)
    plain = frames.unsqueeze(1)
    for layer in front_end.layers:
        plain = layer.pool(layer.conv(plain).relu())
    plain = plain.permute(0, 2, 3, 1).flatten(2)
    ours, _ = front_end(frames, torch.tensor([40]))
    torch.testing.assert_close(ours, plain)
    weights = torch.randn_like(plain)
    both = [torch.autograd.grad((x * weights).sum(), list(front_end.parameters())) for x in (ours, plain)]
    for mine, reference in zip(*both, strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-4, rtol=1e-4)


def test_attention_dropout_drops_its_share_and_keeps_the_mean():
    weights = torch.ones(100, 1001)
    dropped = _dropout(weights, 0.2)
    torch.testing.assert_close(dropped[dropped > 0].unique(), torch.tensor([1.25]))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)  # 8 standard deviations
    assert not torch.equal(dropped, _dropout(weights, 0.2))


def test_a_regression_head_is_the_classifier_head_with_one_output_and_may_be_bounded():
    embedding = 100 * torch.randn(5, 1, 16)
    head, bounded = RegressionHead(16), RegressionHead(16, low=-3.0, high=3.0)
    assert {name: value.shape[1:] for name, value in head.state_dict().items()} == {
        name: value.shape[1:] for name, value in ClassifierHead(16, 1).state_dict().items()
    }
    bounded.load_state_dict(head.state_dict())
    head.eval(), bounded.eval()
    free, kept = head(embedding), bounded(embedding)
    assert free.shape == (5, 1, 1)
    torch.testing.assert_close(kept, 3 * free.tanh())
    between = RegressionHead(16, low=1.0, high=5.0).eval()(1000 * embedding)
    assert bool(((between >= 1) & (between <= 5)).all())
    for low, high in ((1.0, None), (None, 1.0), (3.0, -3.0)):
        with pytest.raises(SerError, match="two numbers, low below high, or neither"):
            RegressionHead(16, low=low, high=high)


def test_concordance_equals_its_formula_and_forgives_no_constant():
    predictions, targets = torch.randn(40), torch.randn(40)
    (x, xy), (_, y) = np.cov(predictions.numpy(), targets.numpy(), bias=True)
    ccc = 2 * xy / (x + y + float(predictions.mean() - targets.mean()) ** 2)
    torch.testing.assert_close(Concordance()(predictions, targets), torch.tensor(1 - ccc, dtype=torch.float))
    assert Concordance()(targets, targets) == pytest.approx(0, abs=1e-6)
    assert Concordance()(torch.ones(4), targets[:4]) == pytest.approx(1, abs=1e-6)
    one = torch.ones(1, requires_grad=True)
    Concordance()(one, torch.ones(1)).backward()
    assert bool(one.grad.isfinite().all())


def test_several_losses_are_weighed_and_unknown_targets_have_no_gradient():
    head = MultiTaskHead({"emotion": ClassifierHead(16, 3), "valence": RegressionHead(16)}).eval()
    outputs = {name: output.squeeze(1).squeeze(-1) for name, output in head(torch.randn(4, 1, 16)).items()}
    valence = torch.tensor([1.0, float("nan"), 3.0, float("nan")])
    targets = {"emotion": torch.tensor([0, 1, 2, 0]), "valence": valence}
    parts = {"emotion": CrossEntropy(), "valence": nn.L1Loss()}
    expected = CrossEntropy()(outputs["emotion"], targets["emotion"])
    expected = expected + 0.5 * (outputs["valence"] - valence)[[0, 2]].abs().mean()
    outputs["valence"].retain_grad()
    loss = MultiTask(parts, {"valence": 0.5})(outputs, targets)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert outputs["valence"].grad.tolist()[1] == outputs["valence"].grad.tolist()[3] == 0
    assert all(value.grad is not None for value in head.parameters())

    head.zero_grad()
    outputs = {name: output.squeeze(1).squeeze(-1) for name, output in head(torch.randn(4, 1, 16)).items()}
    unknown = MultiTask(parts)(outputs, {**targets, "valence": torch.full((4,), float("nan"))})
    torch.testing.assert_close(unknown, CrossEntropy()(outputs["emotion"], targets["emotion"]))
    unknown.backward()  # and no parameter is without a gradient, which distributed training would wait for
    assert all(value.grad is not None and bool(value.grad.isfinite().all()) for value in head.parameters())
    with pytest.raises(SerError, match="a weight of arousal; expected: of emotion, valence"):
        MultiTask(parts, {"arousal": 1.0})


def test_a_mix_of_states_is_their_mean_before_training_and_the_same_alone_and_padded():
    frames, items = padded(width=3 * 8, junk=9.0)
    mix = StateMix(bins=24, states=3, size=8).eval()
    with torch.no_grad():
        mix.projection.weight.copy_(torch.eye(8))
        mix.projection.bias.zero_()
    mixed, counts = mix(frames, COUNTS)
    assert torch.equal(counts, COUNTS)
    for row, count, item in zip(mixed, counts, items, strict=True):
        torch.testing.assert_close(row[:count], item.unflatten(1, (3, 8)).mean(1))
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([-99.0, 0.0, -99.0]))
    torch.testing.assert_close(mix(items[0][None])[0][0], items[0][:, 8:16])
    with pytest.raises(SerError, match="5 states in frames of 24 bins"):
        StateMix(bins=24, states=5)


def test_an_encoder_of_states_is_the_same_alone_and_padded():
    frames, items = padded(width=2 * 8, junk=9.0)
    sizes = {"states": 2, "states_size": 12, "hidden_size": 8, "layers": 1, "heads": 4, "layer_norm": True}
    encoder = UtteranceEncoder(bins=16, front_end="states", **sizes).eval()
    embeddings = encoder(frames, COUNTS)
    for row, item in zip(embeddings, items, strict=True):
        torch.testing.assert_close(row, encoder(item[None])[0], atol=1e-5, rtol=1e-5)
