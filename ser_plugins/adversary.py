"""What an embedding should not tell: a head that learns it, and passes its gradient on reversed.

Y. Ganin et al., *Domain-adversarial training of neural networks*, JMLR 17(59), 2016.
"""

from typing import TYPE_CHECKING

import torch

from ser_plugins.classifier import ClassifierHead


class AdversaryHead(ClassifierHead):
    """A classifier that learns as any other, while what lies before it learns to give it nothing to tell by.

    It is one of the heads of a :class:`~ser_plugins.classifier.MultiTaskHead`; how much it counts is its weight in
    :class:`~ser_plugins.losses.MultiTask`.

    Arguments
    ---------
    input_size, classes, hidden_size, dropout
        As of :class:`~ser_plugins.classifier.ClassifierHead`.

    Example
    -------
    >>> head = AdversaryHead(8, classes=2).eval()
    >>> embedding = torch.randn(2, 1, 8, requires_grad=True)
    >>> (ours,) = torch.autograd.grad(head(embedding)[..., 0].sum(), embedding)
    >>> (usual,) = torch.autograd.grad(ClassifierHead.forward(head, embedding)[..., 0].sum(), embedding)
    >>> torch.allclose(ours, -usual)
    True
    """

    def __init__(self, input_size: int, classes: int = 2, hidden_size: int = 64, dropout: float = 0.2) -> None:
        super().__init__(input_size, classes, hidden_size, dropout)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """(..., input_size) -> (..., classes), natural logarithms of probabilities."""
        return super().forward(_Reversal.apply(embedding))

    if TYPE_CHECKING:
        __call__ = forward


class _Reversal(torch.autograd.Function):
    """The same values; the opposite gradient."""

    @staticmethod
    def forward(ctx, values):
        return values.view_as(values)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient
