"""Where a model looks: its attention weights, small enough to be drawn."""

import torch


def attention_map(model, wave: torch.Tensor, most: int = 128) -> dict:
    """Attention weights of one recording.

    Arguments
    ---------
    model : ser_plugins.serving.recordings.RecordingModel
        Of any kind.
    wave : torch.Tensor
        (samples,) at the model's rate.
    most : int
        Rows and columns of the result; neighbouring frames are averaged until they fit.

    Returns
    -------
    dict
        ``weights``: list of rows (query, key), mean over the heads, relative to uniform attention (which is 1
        everywhere); None in a system without attention. ``duration``: of the recording, in s.
    """
    modules = model.modules
    with torch.no_grad():
        frames = modules["compute_features"](wave[None].to(model.device))  # (1, time, bins)
        frames = modules["mean_var_norm"](frames, torch.ones(1, device=model.device))
        _, weights = modules["embedding_model"](frames, return_weights=True)  # (1, heads, time, time)
    duration = len(wave) / model.sample_rate
    if weights is None:
        return {"weights": None, "duration": duration}
    relative = weights.mean(dim=1) * weights.shape[-1]  # (1, time, time)
    size = min(most, relative.shape[-1])
    small = torch.nn.functional.adaptive_avg_pool2d(relative, size)[0]
    return {"weights": [[round(value, 3) for value in row] for row in small.tolist()], "duration": duration}
