"""Which pieces of a transcript weighed in a model's answer: its attention among them, and the gradient of the answer.

What :mod:`ser_plugins.inference.explain` says of both holds here too: neither is a reason in a person's sense.
"""

from typing import Any, NamedTuple

import torch

from ser_plugins.errors import SerError
from ser_plugins.inference.base import RecordingModel, Sound
from ser_plugins.inference.explain import answer_of
from ser_plugins.text import READERS, TextEncoder


class PieceWeight(NamedTuple):
    """What one piece weighed.

    Arguments
    ---------
    piece : str
        As SentencePiece writes it: U+2581 stands for the blank before a word.
    attention : float
        How much of it is mixed into all pieces on average, by the attention within the text; all sum to 1.
    gradient : float
        Length of the gradient of the predicted class's log-odds, or of the score, with respect to the piece's vector.
    """

    piece: str
    attention: float
    gradient: float


def explain_text(
    model: RecordingModel[Any, Any, Any], sound: Sound, text: str, sample_rate: int | None = None
) -> list[PieceWeight]:
    """Say what each piece of a transcript weighed, of an ensemble in its first member.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        One that reads.
    sound, sample_rate
        As ``predict`` takes them.
    text : str
        What is said.

    Raises
    ------
    MissingPathError, AudioError, SerError
        As ``predict``; for a model that hears alone.
    """
    encoder = model.modules["embedding_model"]
    if not isinstance(encoder, READERS):
        raise SerError(got="a model that hears alone", expected="one that reads", remedy="ser explain shows its sound")
    model.predict(sound, sample_rate, text=text)  # refuses what cannot be judged
    reader = encoder if isinstance(encoder, TextEncoder) else encoder.text
    wave = model._wave(sound, sample_rate)[None].to(model.device)
    lengths = torch.ones(1, device=model.device)
    pieces, counts = model.modules["subwords"]([text])
    vectors = []

    def keep(module, arguments, output):
        vectors.append(output.detach().requires_grad_())
        return vectors[-1]

    frames = model.modules["mean_var_norm"](model.modules["compute_features"](wave, lengths), lengths)
    hook = reader.vectors.register_forward_hook(keep)
    try:
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            embedding = encoder(frames, lengths, pieces, counts)
            outputs = model.modules["classifier"](embedding).squeeze(1)  # (1, classes or 1)
            (gradient,) = torch.autograd.grad(answer_of(outputs).sum(), vectors[0])
    finally:
        hook.remove()
    _, _, weights = reader.encoder.encode(vectors[0].detach(), counts, return_weights=True)
    names = [model.modules["subwords"].pieces[number] for number in pieces[0].tolist()]
    attention = torch.full((len(names),), 1 / len(names)) if weights is None else weights[0].mean(dim=(0, 1))
    rows = zip(names, attention.tolist(), gradient[0].norm(dim=1).tolist(), strict=True)
    return [PieceWeight(*row) for row in rows]
