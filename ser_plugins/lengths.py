"""Which frames are real: relative lengths are turned into integer counts once, here, and nowhere else.

SpeechBrain hands lengths around as fractions of the longest item, and its modules round them in three different ways.
Ours accept the fractions at every public boundary, convert them with :func:`frame_counts`, and carry integers inside.
"""

import torch

from ser_plugins.errors import SerError


def frame_counts(lengths, frames: torch.Tensor) -> torch.Tensor:
    """Count the real frames of every item.

    Arguments
    ---------
    lengths : torch.Tensor or None
        (batch,). Floating point: relative to the padded length (SpeechBrain's convention). Integer: frame counts,
        returned as they are. None: every frame is real.
    frames : torch.Tensor
        (batch, time, ...). Frames that come from our front ends remember how they were made of samples (see
        :func:`remember_wave`), which makes the conversion exact; for others it is ``round(lengths * time)``.

    Returns
    -------
    torch.Tensor
        (batch,), int64, each between 1 and time.

    Raises
    ------
    SerError
        When the lengths are not one per item, or lie outside (0, 1] or 1..time.

    Example
    -------
    >>> frame_counts(torch.tensor([1.0, 0.5]), torch.zeros(2, 10, 4))
    tensor([10,  5])
    >>> frame_counts(torch.tensor([10, 3]), torch.zeros(2, 10, 4))
    tensor([10,  3])
    """
    batch, time = frames.shape[:2]
    if lengths is None:
        return torch.full((batch,), time, dtype=torch.long, device=frames.device)
    if lengths.shape != (batch,):
        raise SerError(
            got=f"lengths of shape {tuple(lengths.shape)} for {batch} items",
            expected=f"shape ({batch},)",
            remedy="give one length per item",
        )
    if not lengths.is_floating_point():
        counts = lengths.long()
    elif (count_frames := getattr(frames, "count_frames", None)) is not None:
        counts = count_frames(lengths)
    else:
        counts = torch.round(lengths.double() * time).long().clamp(min=1)
    if not frames.is_cuda and not bool(((counts >= 1) & (counts <= time)).all()):  # no host sync on a GPU
        raise SerError(
            got=f"lengths {lengths.tolist()} for {time} frames",
            expected=f"fractions in (0, 1] or counts in 1..{time}",
            remedy="divide the lengths by the padded length, or count frames",
        )
    return counts.to(frames.device)


def remember_wave(frames: torch.Tensor, count_frames) -> torch.Tensor:
    """Note on ``frames`` how relative lengths of waveforms become frame counts, which SpeechBrain does not pass on."""
    frames.count_frames = count_frames  # type: ignore[attr-defined]
    return frames


def frame_mask(counts: torch.Tensor, time: int) -> torch.Tensor:
    """True where a frame is real: (batch, time), bool.

    Example
    -------
    >>> frame_mask(torch.tensor([3, 1]), 3).int()
    tensor([[1, 1, 1],
            [1, 0, 0]], dtype=torch.int32)
    """
    return torch.arange(time, device=counts.device)[None, :] < counts[:, None]


@torch.no_grad()
def clear_padding(frames: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Set padding to zero in place: frames (batch, time, ...), counts (batch,); for gradients, multiply by the mask.

    Example
    -------
    >>> clear_padding(torch.ones(2, 3), torch.tensor([3, 1]))
    tensor([[1., 1., 1.],
            [1., 0., 0.]])
    """
    if frames.is_cuda:  # no host sync
        mask = frame_mask(counts, frames.shape[1])
        return frames.mul_(mask.view(*mask.shape, *[1] * (frames.dim() - 2)))
    for item, count in zip(frames, counts.tolist(), strict=True):
        item[count:] = 0  # only what is padding is touched
    return frames
