"""LSH attention: what it computes, written out frame by frame; padding; and what a drop-in must keep."""

import shutil

import pytest
import torch
from conftest import ROOT, train
from fake_run import resealed, tone

from ser_plugins.attention import MultiHeadSelfAttention
from ser_plugins.classifier import UtteranceEncoder
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_model
from ser_plugins.export.onnx import export_onnx
from ser_plugins.inference import EmotionClassifier
from ser_plugins.lsh_attention import LSHSelfAttention
from ser_plugins.training.systems import read_systems

RECIPE = ROOT / "recipes" / "EmoDB"


def by_hand(attention, item):
    """One utterance (time, size), frame by frame: one softmax over every frame seen in some round; and the weights."""
    time, size = item.shape
    width = size // attention.heads
    shared, value = attention.project_in(item).view(time, 2, attention.heads, width).unbind(1)
    outputs, weights = torch.zeros(time, attention.heads, width), torch.zeros(attention.heads, time, time)
    for head in range(attention.heads):
        seen = neighbours(attention, shared[:, head])
        for i in range(time):
            others = sorted(seen[i] - {i}) or [i]
            keys = torch.stack([shared[j, head] / shared[j, head].norm() for j in others])
            row = (keys @ shared[i, head] / width**0.5).softmax(0)
            weights[head, i, others] = row
            outputs[i, head] = sum(w * value[j, head] for w, j in zip(row, others, strict=True))
    return attention.project_out(outputs.reshape(time, size)), weights


def neighbours(attention, shared):
    """What each frame sees: the set of frames of its bucket, in its chunk or the one before, in any round."""
    time, size = len(shared), attention.bucket_size
    seen = [set() for _ in range(time)]
    for rotation in attention.rotations:
        columns = min(-(-time // (2 * size)), rotation.shape[1])
        turned = shared @ rotation[:, :columns]
        buckets = torch.cat([turned, -turned], 1).argmax(1).tolist() if time > size else [0] * time
        order = sorted(range(time), key=lambda i: (buckets[i], i))
        chunk = {i: place // size for place, i in enumerate(order)}
        for i in range(time):
            seen[i] |= {j for j in range(time) if buckets[j] == buckets[i] and chunk[i] - chunk[j] in (0, 1)}
    return seen


def make(bucket_size=8, rounds=2, **options):
    return LSHSelfAttention(16, heads=2, bucket_size=bucket_size, rounds=rounds, **options).eval()


@pytest.mark.parametrize("rounds", [1, 2, 4])
@pytest.mark.parametrize("time", [1, 2, 7, 8, 9, 40, 67])
def test_it_is_one_softmax_over_all_that_a_frame_sees(time, rounds):
    attention = make(rounds=rounds)
    item = torch.randn(time, 16)
    frames, weights = attention(item[None], return_weights=True)
    expected, expected_weights = by_hand(attention, item)
    torch.testing.assert_close(weights[0], expected_weights, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(frames[0], expected, atol=1e-5, rtol=1e-4)


def test_no_more_buckets_than_allowed():
    attention = make(bucket_size=4, max_buckets=2)
    item = torch.randn(50, 16)
    torch.testing.assert_close(attention(item[None])[0], by_hand(attention, item)[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rounds", [1, 3])
def test_one_bucket_that_holds_everything_is_full_attention_with_shared_queries_and_keys(rounds):
    attention = make(bucket_size=64, rounds=rounds)
    frames = torch.randn(3, 50, 16)
    shared, value = attention.project_in(frames).view(3, 50, 2, 2, 8).permute(2, 0, 3, 1, 4)
    scores = shared @ (shared / shared.norm(dim=-1, keepdim=True)).transpose(2, 3) / 8**0.5
    scores.diagonal(dim1=2, dim2=3).fill_(-torch.inf)  # nobody sees itself
    expected = attention.project_out((scores.softmax(-1) @ value).transpose(1, 2).reshape(3, 50, 16))
    torch.testing.assert_close(attention(frames), expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_alone_and_padded_is_the_same_and_so_are_the_gradients(training):
    attention = make(dropout=0.0).train(training)
    counts = torch.tensor([61, 40, 9, 8, 1])
    items = [torch.randn(n, 16) for n in counts.tolist()]
    batch = torch.nn.utils.rnn.pad_sequence(items, batch_first=True, padding_value=7.0).requires_grad_()
    together, weights = attention(batch, counts, return_weights=True)
    together.square().sum().backward()
    for row, row_weights, gradient, item in zip(together, weights, batch.grad, items, strict=True):
        item.requires_grad_()
        alone, alone_weights = attention(item[None], return_weights=True)
        alone.square().sum().backward()
        n = len(item)
        torch.testing.assert_close(row[:n], alone[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(row_weights[:, :n, :n], alone_weights[0], atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(gradient[:n], item.grad, atol=1e-5, rtol=1e-4)
        assert not row[n:].any()
        assert not gradient[n:].any()
        assert not row_weights[:, :n, n:].any()


def test_weights_are_those_of_the_output_and_rows_sum_to_one():
    attention = make(rounds=3)
    frames = torch.randn(2, 40, 16)
    mixed, weights = attention(frames, return_weights=True)
    value = attention.project_in(frames)[..., 16:].view(2, 40, 2, 8).transpose(1, 2)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 40))
    torch.testing.assert_close(mixed, attention.project_out((weights @ value).transpose(1, 2).flatten(2)))
    torch.testing.assert_close(mixed, attention(frames))


def test_frames_in_another_order_are_the_same_frames_in_that_order():
    """As long as every bucket fits a chunk and the one before, order is only a tie-break."""
    attention = make(bucket_size=64)
    frames, order = torch.randn(1, 60, 16), torch.randperm(60)
    torch.testing.assert_close(attention(frames[:, order]), attention(frames)[:, order], atol=1e-6, rtol=1e-4)


def test_more_rounds_see_more():
    frames = torch.randn(1, 200, 16)
    seen = [(make(rounds=rounds)(frames, return_weights=True)[1] > 0).float().mean() for rounds in (1, 2, 4, 8)]
    assert seen == sorted(seen)
    assert seen[0] < 0.5 * seen[-1]


def test_like_frames_are_found():
    """Two copies of a frame, far apart in time, fall into one bucket: they see each other more than just anybody."""
    attention = make(bucket_size=8, rounds=1)
    half = torch.randn(40, 16)
    _, weights = attention(torch.cat([half, half])[None], return_weights=True)
    copies = weights[0][:, torch.arange(80), (torch.arange(80) + 40) % 80]
    assert (copies > 0).float().mean() > 4 * (weights > 0).float().mean()


def test_every_weight_learns_and_evaluation_draws_nothing():
    attention = make(dropout=0.5).train()
    frames = torch.randn(2, 40, 16)
    attention(frames).square().sum().backward()
    assert all(value.grad.abs().sum() > 0 for value in attention.parameters())
    assert not torch.equal(attention(frames), attention(frames))
    attention.eval()
    assert torch.equal(attention(frames), attention(frames))


def test_the_rotations_are_part_of_the_weights():
    attention, other = make(), make()
    frames = torch.randn(1, 40, 16)
    assert not torch.allclose(attention(frames), other(frames))
    other.load_state_dict(attention.state_dict())
    assert torch.equal(attention(frames), other(frames))


def test_cost_is_linear_in_time():
    """Floating-point operations: twice the frames are twice the work; of full attention, nearly four times."""
    from torch.utils.flop_counter import FlopCounterMode

    def operations(attention, time):
        with FlopCounterMode(display=False) as counter:
            attention(torch.randn(1, time, 16), return_weights=isinstance(attention, MultiHeadSelfAttention))
        return counter.get_total_flops()

    lsh, full = make(max_buckets=8), MultiHeadSelfAttention(16, 2).eval()
    assert operations(lsh, 1024) == 2 * operations(lsh, 512)
    assert operations(full, 1024) > 3.5 * operations(full, 512)


@pytest.mark.parametrize(
    "bad", [{"heads": 3}, {"bucket_size": 0}, {"bucket_size": 10**6}, {"rounds": 17}, {"max_buckets": 3}]
)
def test_impossible_settings_are_refused(bad):
    with pytest.raises(SerError, match="choose heads, bucket_size or rounds anew"):
        LSHSelfAttention(**{"size": 16, "heads": 2, **bad})


def test_the_encoder_takes_it_by_name():
    encoder = UtteranceEncoder(hidden_size=8, heads=2, attention="lsh", bucket_size=4, rounds=3).eval()
    assert isinstance(encoder.attention, LSHSelfAttention)
    assert (encoder.attention.bucket_size, len(encoder.attention.rotations)) == (4, 3)
    embedding, weights = encoder(torch.randn(2, 100, 400), torch.tensor([1.0, 0.5]), return_weights=True)
    assert embedding.shape == (2, 1, 16)
    assert weights.shape == (2, 2, 25, 25)
    with pytest.raises(SerError, match="expected: full or lsh"):
        UtteranceEncoder(attention="sparse")


@pytest.fixture(scope="module")
def model(toy_emodb, tmp_path_factory):
    """Trained with buckets small enough for short recordings to have several; then exported."""
    folder = tmp_path_factory.mktemp("lsh")
    row = read_systems(RECIPE / "train.py")["bigru_lsh"]
    text = (RECIPE / "hparams" / "bigru_mha.yaml").read_text(encoding="utf-8")
    arguments = {**row["embedding_model"], "bucket_size": 4}
    lines = "".join(f"    {key}: {value}\n" for key, value in arguments.items())
    (folder / "lsh.yaml").write_text(text.replace("    heads: !ref <heads>\n", f"    heads: !ref <heads>\n{lines}"))
    options = ["--fold", "spk08", "--number_of_epochs", "1"]
    train(toy_emodb, folder, *options, yaml_file=str(folder / "lsh.yaml"))
    export_model(folder / "bigru_mha" / "loso" / "seed_1234" / "spk08", folder / "model")
    return folder / "model"


def test_an_exported_model_loads_and_hashes_as_it_was_trained(model):
    opened = EmotionClassifier.from_hparams(model, device="cpu")
    attention, again = (
        each.modules["embedding_model"].attention for each in (opened, EmotionClassifier.from_hparams(model))
    )
    assert isinstance(attention, LSHSelfAttention)
    assert attention.bucket_size == 4
    assert torch.equal(attention.rotations, again.rotations)
    waves = [torch.as_tensor(tone(seconds, pitch=pitch)) for seconds, pitch in ((1.5, 120.0), (0.7, 240.0))]
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    together = opened.classify_batch(batch, torch.tensor([1.0, 0.7 / 1.5]))[0]
    for row, wave in zip(together, waves, strict=True):
        torch.testing.assert_close(row, opened.classify_batch(wave[None])[0][0], atol=1e-5, rtol=0)


def test_plain_speechbrain_gives_the_same(model, tmp_path):
    from speechbrain.inference.classifiers import EncoderClassifier

    wave = torch.as_tensor(tone(1.5))[None]
    plain = EncoderClassifier.from_hparams(source=str(model), savedir=tmp_path, run_opts={"device": "cpu"})
    ours = EmotionClassifier.from_hparams(model, device="cpu").classify_batch(wave)[0]
    torch.testing.assert_close(plain.classify_batch(wave)[0].exp(), ours, atol=1e-6, rtol=0)


def test_a_yaml_that_asks_for_buckets_without_bound_is_refused(model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "copy")
    path = copy / "hyperparams.yaml"
    path.write_text(path.read_text().replace("bucket_size: 4", "bucket_size: 1000000"))
    with pytest.raises(SerError, match="bucket_size 1000000: not a whole number, 1 to 1,024"):
        EmotionClassifier.from_hparams(resealed(copy))


def test_an_onnx_file_is_refused_in_words(model, tmp_path):
    with pytest.raises(SerError, match="LSH attention, whose number of buckets"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
