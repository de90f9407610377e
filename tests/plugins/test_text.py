"""Transcripts: pieces that are learnt alike every time, and nothing that padding or neighbours could reach."""

import pytest
import torch
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.subwords import KINDS, MAX_PIECES, NO_TEXT, SubwordEncoder, pieces_of
from ser_plugins.text import FUSIONS, Fusion, LogLinearHead, TextEncoder

SAID = ["Good morning to you", "good evening", "what a good day", "Is it?", None, "  "]
FRAMES = [torch.randn(length, 20, generator=torch.Generator().manual_seed(length)) for length in (40, 17, 29)]
SIZES = {"vocabulary": 60, "piece_size": 8, "text_hidden_size": 6, "text_heads": 2, "fusion_heads": 2}
AUDIO = {"bins": 20, "front_end": "none", "hidden_size": 6, "layers": 1, "heads": 2}


@pytest.fixture(scope="module")
def subwords():
    return SubwordEncoder(vocabulary=60).fit(SAID)


def fused(fusion, **options):
    torch.manual_seed(0)
    return Fusion(fusion=fusion, **{**SIZES, **AUDIO, **options})


def encoders():
    torch.manual_seed(0)
    return [TextEncoder(60, piece_size=8, hidden_size=6, heads=2), *map(fused, FUSIONS)]


def batch_of(frames):
    lengths = torch.tensor([len(one) for one in frames])
    return nn.utils.rnn.pad_sequence(frames, batch_first=True), lengths


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_the_same_for_the_same_transcripts_in_any_order(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = (SubwordEncoder(60, kind).fit(said) for said in (SAID, SAID[::-1]))
    assert one.content == other.content
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_pieces_give_the_transcript_back_and_know_no_case(subwords):
    pieces, counts = subwords(["GOOD evening"])
    words = "".join(subwords.pieces[number] for number in pieces[0, : counts[0]])
    assert words.replace("\u2581", " ").strip() == "good evening"


def test_a_vocabulary_is_as_large_as_the_transcripts_allow_and_never_larger():
    few = SubwordEncoder(vocabulary=5000).fit(["yes", "no"])
    assert 2 < len(few.pieces) < 20
    with pytest.raises(SerError, match="larger vocabulary"):
        SubwordEncoder(vocabulary=5).fit(SAID)


def test_rare_characters_are_unknown_where_the_coverage_says_so():
    said = ["我喜欢你"] * 50 + ["龘"]
    whole, most = (SubwordEncoder(50, character_coverage=share).fit(said) for share in (1.0, 0.98))
    assert "龘" in "".join(whole.pieces)
    assert "龘" not in "".join(most.pieces)
    assert 1 in most(["龘"])[0].tolist()[0]


def test_no_transcript_and_blank_ones_are_one_piece(subwords):
    pieces, counts = subwords([None, "", " \t"])
    assert (pieces.tolist(), counts.tolist()) == ([[NO_TEXT]] * 3, [1] * 3)
    assert pieces_of({}, ["words"]) == ()


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: SubwordEncoder().fit([None, " "]), "no transcript in the training set"),
        (lambda: SubwordEncoder()(["word"]), "never learnt"),
        (lambda: SubwordEncoder(60).fit(SAID)(["a " * (MAX_PIECES + 1)]), "cut recording and transcript"),
        (lambda: SubwordEncoder(60).load(b"nonsense"), "SentencePiece model of ours"),
        (lambda: SubwordEncoder(8).load(SubwordEncoder(60).fit(SAID).content), "at most 8 pieces"),
        (lambda: SubwordEncoder(kind="words"), "one of unigram, bpe"),
        (lambda: Fusion(fusion="sum"), "one of concatenation, gated, cross"),
        (lambda: fused("cross", fusion_heads=5), "5 fusion_heads"),
        (lambda: LogLinearHead(32, 32, classes=3), "sound and text side by side"),
    ],
)
def test_what_is_wrong_is_said(use, message):
    with pytest.raises(SerError, match=message):
        use()


def test_a_checkpoint_brings_its_pieces_back(subwords):
    other = SubwordEncoder(vocabulary=60).fit(["something else"])
    other.load_state_dict(subwords.state_dict())
    assert other.pieces == subwords.pieces
    assert torch.equal(other(SAID)[0], subwords(SAID)[0])


@pytest.mark.parametrize("encoder", encoders(), ids=["text", *FUSIONS])
class TestEncoders:
    def test_an_utterance_in_a_batch_is_as_alone(self, encoder, subwords):
        said = ["good morning to you", None, "is it"]
        together = encoder.eval()(*batch_of(FRAMES), *subwords(said))
        assert together.shape == (3, 1, encoder.output_size)
        for place, (frames, text) in enumerate(zip(FRAMES, said, strict=True)):
            alone = encoder(*batch_of([frames]), *subwords([text]))
            torch.testing.assert_close(together[place : place + 1], alone, atol=1e-5, rtol=1e-4)

    def test_pieces_behind_the_last_are_not_read(self, encoder, subwords):
        pieces, counts = subwords(["good morning to you", "is it"])
        spoilt = pieces.clone()
        spoilt[1, counts[1] :] = 7
        sound = batch_of(FRAMES[:2])
        torch.testing.assert_close(encoder.eval()(*sound, pieces, counts), encoder(*sound, spoilt, counts))

    def test_words_and_their_absence_matter_and_are_learnt(self, encoder, subwords):
        sound = batch_of([FRAMES[0]] * 2)
        with_text, without = encoder.eval()(*sound, *subwords(["good morning", None]))
        assert (with_text - without).abs().max() > 1e-3
        encoder(*sound, *subwords(["good", None])).sum().backward()
        vectors = (encoder if isinstance(encoder, TextEncoder) else encoder.text).vectors
        assert vectors.weight.grad[NO_TEXT].abs().sum() > 0


@pytest.mark.parametrize("fusion", FUSIONS)
def test_in_training_hidden_transcripts_are_as_none(fusion, subwords):
    encoder = fused(fusion, hidden_share=1.0, text_dropout=0.0, attention_dropout=0.0).train()
    sound = batch_of(FRAMES)
    hidden = encoder(*sound, *subwords(["good morning", "is it", "what"]))
    torch.testing.assert_close(hidden, encoder(*sound, *subwords([None] * 3)))
    with_text = encoder.eval()(*sound, *subwords(["good morning", "is it", "what"]))
    assert (hidden - with_text).abs().max() > 1e-3


def test_late_fusion_is_the_normalised_product_of_what_each_says():
    head = LogLinearHead(10, text_size=4, classes=3, hidden_size=5).eval()
    embedding = torch.randn(2, 1, 10)
    sound, text = embedding.split((6, 4), dim=-1)
    layer, bias = head.output.weight, head.output.bias
    of_sound = (head.hidden.audio(sound).relu() @ layer[:, :5].T + bias).softmax(-1)
    of_text = (head.hidden.text(text).relu() @ layer[:, 5:].T).softmax(-1)
    product = of_sound * of_text
    torch.testing.assert_close(head(embedding).exp(), product / product.sum(-1, keepdim=True))
