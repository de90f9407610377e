"""Pretrained text encoders, on tiny ones with random weights in a local folder: nothing is fetched."""

import json
import shutil

import pytest
import torch
from commands import run_here
from conftest import ROOT
from safetensors.torch import load_file, save_file

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.export.folder import export_model
from ser_plugins.pretrained_text import PretrainedSubwords, PretrainedText
from ser_plugins.subwords import NO_TEXT
from ser_plugins.text import FUSIONS, Fusion, TextEncoder

transformers = pytest.importorskip("transformers", reason='needs pip install "ser-plugins[ssl]"')
tokenizers = pytest.importorskip("tokenizers", reason='needs pip install "ser-plugins[ssl]"')
WORDS = ["<pad>", "<s>", "</s>", "<unk>", "good", "bad", "day", "what", "a"]
SIZES = {
    "vocab_size": len(WORDS), "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 16, "max_position_embeddings": 20, "pad_token_id": 0, "hidden_dropout_prob": 0.5,
}  # fmt: skip
KINDS = {"bert": ("Bert", 20), "roberta": ("Roberta", 19)}  # its positions begin behind that of padding
SAID = ["good day", None, "what a bad day"]
AUDIO = {"bins": 20, "front_end": "none", "hidden_size": 6, "layers": 1, "heads": 2}


@pytest.fixture(scope="module", params=KINDS)
def source(request, tmp_path_factory):
    """A folder as `save_pretrained` leaves it."""
    folder = tmp_path_factory.mktemp("text") / request.param
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        name = KINDS[request.param][0]
        getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**SIZES)).save_pretrained(folder)
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return str(folder)


def encoders(source, **options):
    torch.manual_seed(0)
    yield TextEncoder(hidden_size=6, heads=2, pretrained=PretrainedText(source, **options))
    for fusion in FUSIONS:
        sizes = {**AUDIO, "text_hidden_size": 6, "text_heads": 2, "fusion_heads": 2}
        yield Fusion(fusion=fusion, pretrained=PretrainedText(source, **options), **sizes)


def test_states_are_those_of_the_model_and_no_text_has_its_own(source):
    pieces, counts = PretrainedSubwords(source)(SAID)
    assert (counts.tolist(), pieces[0].tolist(), pieces[1].tolist()) == (
        [4, 1, 6],
        [2, 5, 7, 3, NO_TEXT, NO_TEXT],
        [NO_TEXT] * 6,
    )
    text = PretrainedText(source).train()
    model = transformers.AutoModel.from_pretrained(source).eval()
    with torch.no_grad():
        text.no_text += 0.5
        expected = model(input_ids=pieces[:1, :4] - 1).last_hidden_state
    states = text(pieces)
    torch.testing.assert_close(states[:1, :4], expected, atol=1e-5, rtol=1e-4)
    assert (states[1] == 0.5).all()


def test_an_utterance_in_a_batch_is_as_alone_whatever_lies_behind_it(source):
    subwords = PretrainedSubwords(source)
    frames = torch.randn(3, 30, 20)
    lengths = torch.tensor([30, 12, 21])
    pieces, counts = subwords(SAID)
    spoilt = pieces.clone()
    spoilt[0, counts[0] :] = 4
    for encoder in encoders(source):
        together = encoder.eval()(frames, lengths, spoilt, counts)
        for place, text in enumerate(SAID):
            frames_alone = frames[place : place + 1, : lengths[place]]
            alone = encoder(frames_alone, lengths[place : place + 1], *subwords([text]))
            torch.testing.assert_close(together[place : place + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("freeze", [True, False])
def test_a_checkpoint_holds_what_is_trained_and_brings_it_back(source, freeze):
    pieces = PretrainedSubwords(source)(SAID)
    encoder = next(encoders(source, freeze=freeze)).train()
    encoder(None, None, *pieces).sum().backward()
    gradients = {name for name, value in encoder.named_parameters() if value.grad is not None}
    assert any("vectors.encoder" in name for name in gradients) is not freeze
    assert "vectors.no_text" in gradients
    state = {name: value + 0.1 if value.is_floating_point() else value for name, value in encoder.state_dict().items()}
    assert any("vectors.encoder" in name for name in state) is not freeze
    other = next(encoders(source, freeze=freeze))
    other.load_state_dict(state)
    for name, value in state.items():
        torch.testing.assert_close(other.state_dict()[name], value)
    if freeze:
        torch.testing.assert_close(other.vectors.encoder.state_dict(), encoder.vectors.encoder.state_dict())


def spoilt(source, folder, change):
    shutil.copytree(source, folder)
    change(folder)
    return str(folder)


def another_kind(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))


def fewer_weights(folder):
    tensors = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if "layer.1." not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "no model.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"nonsense"), "one of bert, "),
        (another_kind, "model_type gpt2"),
        (fewer_weights, "no weights encoder.layer.1"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json|JSON"),
    ],
)
def test_what_is_no_text_encoder_is_refused(source, tmp_path, change, message):
    with pytest.raises(SerError, match=message):
        PretrainedText(spoilt(source, tmp_path / "spoilt", change))


def test_what_cannot_be_read_is_told(source, tmp_path):
    with pytest.raises(MissingPathError, match="no folder models/bert"):
        PretrainedText("models/bert")
    with pytest.raises(SerError, match="all 40 digits"):
        PretrainedSubwords("hf:google-bert/bert-base-uncased")
    longest = KINDS[source.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]][1]
    PretrainedSubwords(source)(["a " * (longest - 2)])
    with pytest.raises(SerError, match=f"{longest} at most"):
        PretrainedSubwords(source)(["a " * (longest - 1)])
    folder = spoilt(source, tmp_path / "spoilt", lambda folder: (folder / "tokenizer.json").write_text("{}"))
    with pytest.raises(SerError, match="a text encoder"):
        PretrainedSubwords(folder)


def with_encoder(yaml, path, source):
    """A YAML as docs/transcripts.md changes it."""
    text = yaml.read_text(encoding="utf-8")
    subwords = text.index("subwords: !new:"), text.index("embedding_model: !new:")
    lines = f"""text_source: {source}
text_model: !new:ser_plugins.pretrained_text.PretrainedText
    source: !ref <text_source>
    freeze: True
subwords: !new:ser_plugins.pretrained_text.PretrainedSubwords
    source: !ref <text_source>

"""
    text = text[: subwords[0]] + lines + text[subwords[1] :]
    text = text.replace("    piece_size: !ref <piece_size>\n", "    pretrained: !ref <text_model>\n")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("source", ["bert"], indirect=True)
@pytest.mark.parametrize("system", ["bigru_mha_text", "bigru_mha_fusion"])
def test_a_recipe_trains_with_it_and_says_so(source, system, toy_emodb, tmp_path):
    wavs = sorted((toy_emodb / "wav").glob("*[WT]a.wav"))
    rows = [f"{wav},{wav.stem[5]},{wav.stem[:2]},{'' if n % 3 else 'good day'}" for n, wav in enumerate(wavs)]
    data = tmp_path / "my.csv"
    data.write_text("\n".join(["wav,label,speaker,text", *rows]) + "\n", encoding="utf-8")
    yaml = with_encoder(ROOT / f"recipes/CSV/hparams/{system}.yaml", tmp_path / f"{system}.yaml", source)
    where = ["--csv", str(data), "--results_folder", str(tmp_path / "runs"), "--fold", "spk08"]
    sizes = ["--text_hidden_size", "8", "--text_heads", "2", "--number_of_epochs", "1"]
    sizes += ["--hidden_size", "8", "--heads", "2", "--layers", "1"] if "fusion" in system else []
    run_here("train.py", str(yaml), *where, *sizes, cwd=ROOT / "recipes" / "CSV")
    fold = next((tmp_path / "runs").rglob("spk08/results.json")).parent
    assert json.loads((fold / "results.json").read_text())["protocol"]["pretrained"] == ["bert"]
    kept = torch.load(next(fold.glob("save/CKPT*/embedding_model.ckpt")), weights_only=True)
    assert any(name.endswith("vectors.no_text") for name in kept)
    assert not any("vectors.encoder" in name for name in kept)
    with pytest.raises(SerError, match="an export holds no text encoder of others"):
        export_model(fold, tmp_path / "model")
