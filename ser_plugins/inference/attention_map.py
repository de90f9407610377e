"""Where a model looks: its attention weights, small enough to be drawn."""

import torch

from ser_plugins.inference.arrays import check_finite
from ser_plugins.subwords import pieces_of


def attention_map(model, wave: torch.Tensor, most: int = 128) -> dict:
    """Attention weights of one recording.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        Of any kind.
    wave : torch.Tensor
        (samples,) at the model's rate.
    most : int
        Rows and columns of the result; neighbouring frames are averaged until they fit.

    Returns
    -------
    dict
        ``weights``: list of rows (query, key), mean over the heads and the
        members of an ensemble, relative to uniform attention (which is 1
        everywhere); None in a system without attention. ``duration``: of the recording, in s.
    """
    duration = len(wave) / model.sample_rate
    maps = [_relative(modules, wave[None].to(model.device), most) for modules in model.members]
    small = [weights for weights in maps if weights is not None]
    if len(small) < len(maps):
        return {"weights": None, "duration": duration}
    mean = torch.stack(small).mean(dim=0)
    check_finite(mean, "the attention of the model")
    return {"weights": [[round(value, 3) for value in row] for row in mean.tolist()], "duration": duration}


def _relative(modules, wave, most) -> torch.Tensor | None:
    """Of one member: (1, samples) -> (at most most, at most most)."""
    with torch.no_grad():
        lengths = torch.ones(1, device=wave.device)
        frames = modules["mean_var_norm"](modules["compute_features"](wave, lengths), lengths)  # (1, time, bins)
        pieces = pieces_of(modules, [None])
        _, weights = modules["embedding_model"](frames, None, *pieces, return_weights=True)  # (1, heads, time, time)
    if weights is None:
        return None
    relative = weights.mean(dim=1) * weights.shape[-1]  # (1, time, time)
    return torch.nn.functional.adaptive_avg_pool2d(relative, min(most, relative.shape[-1]))[0]
