"""A bidirectional GRU layer for the CPU, both directions at once, exact under padding: values and gradients of torch's.

Cho et al. (2014), in torch's form. With input gates g = W x + b and the state h of the step before::

    r = sigmoid(g_r + U_r h)    z = sigmoid(g_z + U_z h)    n = tanh(g_n + r (U_n h + c))    h' = (1 - z) n + z h

Padding needs neither packing nor reversing: where a frame is padding, g_z is so large that z = 1: the state is held.
The backward direction, which begins in the padding, is still zero when it meets the last real frame.

Why by hand: torch's CPU layer spends a third of its time on bookkeeping per step. Here the gradient of a step is its
state's gradient times factors that are made for all steps at once, and each gradient of a weight is one product.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable

HELD = 1e4  # sigmoid(HELD) is exactly 1


def bidirectional_gru(frames: torch.Tensor, mask: torch.Tensor, ahead: nn.GRU, back: nn.GRU) -> torch.Tensor:
    """Run two one-layer GRUs over frames, one in each direction.

    Arguments
    ---------
    frames : torch.Tensor
        (batch, time, input size).
    mask : torch.Tensor
        (batch, time), True where a frame is real; real frames come first.
    ahead, back : torch.nn.GRU
        Whose weights are used; same sizes, one layer, with biases.

    Returns
    -------
    torch.Tensor
        (batch, time, 2 * hidden); values at padding mean nothing.

    Example
    -------
    >>> layers = nn.GRU(4, 3, batch_first=True), nn.GRU(4, 3, batch_first=True)
    >>> frames = torch.randn(2, 5, 4)
    >>> both = bidirectional_gru(frames, torch.ones(2, 5, dtype=torch.bool), *layers)
    >>> torch.allclose(both[..., :3], layers[0](frames)[0], atol=1e-6)
    True
    """
    n = 2 * ahead.hidden_size  # where n's rows begin: torch's order is r, z, n
    ways = [layer.all_weights[0] for layer in (ahead, back)]  # of each: weights and biases of inputs and of states
    biases = [torch.cat([bias_ih[:n] + bias_hh[:n], bias_ih[n:]]) for _, _, bias_ih, bias_hh in ways]
    gates = F.linear(frames, torch.cat([weight_ih for weight_ih, *_ in ways]), torch.cat(biases))
    weight = torch.stack([weight_hh for _, weight_hh, *_ in ways])  # (2, 3 * hidden, hidden)
    bias = torch.stack([bias_hh[n:] for *_, bias_hh in ways])[:, None]  # (2, 1, hidden)
    return _Recurrence.apply(gates, mask, weight, bias)


class _Recurrence(torch.autograd.Function):
    """Gates (batch, time, 2 * 3 * hidden) -> states (batch, time, 2 * hidden).

    Inside, tensors are (2, time, batch, ...) in the order of computation: the backward direction is flipped in time.
    """

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx, gates, mask, weight, bias):
        size = weight.shape[2]
        gates = _in_order(gates)  # (2, time, batch, 3 * hidden)
        padded = _in_order(~mask[..., None].expand(-1, -1, 2))
        gates[..., size : 2 * size].masked_fill_(padded, HELD)
        recurrent = weight.transpose(1, 2).contiguous()
        _, time, batch, _ = gates.shape
        states = gates.new_zeros(2, time + 1, batch, size)
        rz = gates.new_empty(2, time, batch, 2 * size)
        inner, new = (gates.new_empty(2, time, batch, size) for _ in range(2))
        for t in range(time):
            state = states[:, t]
            product = torch.bmm(state, recurrent)  # (2, batch, 3 * hidden)
            r, z = torch.add(gates[:, t, :, : 2 * size], product[..., : 2 * size], out=rz[:, t]).sigmoid_().chunk(2, -1)
            torch.add(product[..., 2 * size :], bias, out=inner[:, t])
            n = torch.addcmul(gates[:, t, :, 2 * size :], r, inner[:, t], out=new[:, t]).tanh_()
            torch.lerp(n, state, z, out=states[:, t + 1])
        ctx.save_for_backward(weight, states, rz, inner, new)
        return _in_time(states[:, 1:])

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx, gradient):
        weight, states, rz, inner, new = ctx.saved_tensors
        _, time, batch, size = new.shape
        gradient = _in_order(gradient)  # becomes that of each state, later steps included
        r, z = rz.chunk(2, -1)
        to_n = (1 - new.square()).mul_(1 - z)
        factors = new.new_empty(2, time, batch, 3, size)  # of r, z and the inner product, before their activations
        torch.mul(to_n, r, out=factors[..., 2, :])
        torch.mul(factors[..., 2, :], (1 - r).mul_(inner), out=factors[..., 0, :])
        torch.mul((states[:, :-1] - new).mul_(z), 1 - z, out=factors[..., 1, :])
        for t in reversed(range(time)):
            step = factors[:, t].mul_(gradient[:, t, :, None]).view(2, batch, 3 * size)
            if t:
                gradient[:, t - 1] += torch.baddbmm(gradient[:, t] * z[:, t], step, weight)
        steps = factors.view(2, time * batch, 3 * size)
        of_weight = steps.transpose(1, 2) @ states[:, :-1].reshape(2, time * batch, size)
        of_bias = steps[..., 2 * size :].sum(1, keepdim=True)
        torch.mul(gradient, to_n, out=factors[..., 2, :])
        return _in_time(factors.flatten(3)), None, of_weight, of_bias


def _in_order(x):
    """(batch, time, 2 * size) -> (2, time, batch, size), the second half flipped in time."""
    ahead, back = x.transpose(0, 1).chunk(2, -1)
    return torch.stack([ahead, back.flip(0)])


def _in_time(x):
    """Undo :func:`_in_order`."""
    return torch.cat([x[0], x[1].flip(0)], dim=-1).transpose(0, 1).contiguous()
