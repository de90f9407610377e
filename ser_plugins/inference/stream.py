"""Sound that arrives piece by piece, judged as it comes."""

from typing import Any, Generic, TypeVar

import numpy as np
import torch

from ser_plugins.errors import SerError
from ser_plugins.inference.arrays import channels_last
from ser_plugins.inference.windows import WindowCutter
from ser_plugins.sound.resample import Resampler, check_rate
from ser_plugins.sound.usable import Downmix

Piece = TypeVar("Piece")  # what the model gives for one window
Cut = tuple[int, torch.Tensor]  # a window that is to be judged: its first sample, and (samples,)


class Stream(Generic[Piece]):
    """Takes pieces of a recording and gives the windows that each of them completes; made by ``model.stream``.

    However long the recording, it holds a window and a piece. A stream belongs to one recording and one thread; several
    streams may share a model.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        Judges.
    sample_rate : int
        Of the pieces, in Hz.
    window, hop : float
        In s, as :meth:`~ser_plugins.inference.base.RecordingModel.classify_windows` has them.

    Attributes
    ----------
    latency : float
        In s, without computing: from the first sample to the first result, ``window`` and what resampling holds back.
        From then on a result comes every ``hop`` s.

    Example
    -------
    >>> import numpy as np
    >>> from ser_plugins.inference import EmotionClassifier
    >>> stream = EmotionClassifier.from_hparams(device="cpu").stream(8000, window=1.0, hop=0.5)
    >>> second = np.random.default_rng(0).normal(0, 0.1, 8000)
    >>> [(window.start, window.end) for piece in (second, second) for window in stream.feed(piece)]
    [(0.0, 1.0), (0.5, 1.5)]
    >>> [(window.start, window.end) for window in stream.close()]
    [(1.0, 2.0)]
    """

    def __init__(self, model: Any, sample_rate: int, window: float = 3.0, hop: float = 1.0) -> None:
        model.check_windows(window, hop)
        check_rate(sample_rate, model.sample_rate, "stream")
        self.model = model
        self.resampler = Resampler(sample_rate, model.sample_rate)
        self.cutter = WindowCutter(model.sample_rate, window, hop, model.min_samples)
        self.latency: float = window + self.resampler.delay
        self.downmix = Downmix("stream", sample_rate)
        self.closed = False

    def feed(self, piece: np.ndarray | torch.Tensor) -> list[Piece]:
        """Judge the windows that end within ``piece``: an array or tensor (samples,) or (channels, samples).

        Returns
        -------
        list of NamedTuple
            As ``classify_windows`` yields them, none or more; a silent window has no label.

        Raises
        ------
        AudioError, SerError
            For a piece that cannot be used, after which the stream goes on as if it had not come; or after the end.
        """
        return self.judge(self.cut(piece))

    def close(self) -> list[Piece]:
        """End the recording: what resampling has held back, and the shorter window at the end, if there is one.

        Raises
        ------
        AudioError, SerError
            When the channels of all the pieces cancelled each other out; or for a second call.
        """
        return self.judge(self.cut_rest())

    def cut(self, piece: np.ndarray | torch.Tensor) -> list[Cut]:
        """The cheap half of :meth:`feed`: the windows that ``piece`` completes, for :meth:`judge`."""
        self._refuse_closed()
        wave = self.downmix.average(channels_last(piece, "piece"))
        return list(self.cutter.feed(torch.from_numpy(self.resampler.feed(wave))))

    def cut_rest(self) -> list[Cut]:
        """The cheap half of :meth:`close`."""
        self._refuse_closed()
        self.closed = True
        self.downmix.check()
        cuts = [*self.cutter.feed(torch.from_numpy(self.resampler.close())), *self.cutter.close()]
        return [cut for cut in cuts if len(cut[1]) >= self.model.min_samples]

    def judge(self, cuts: list[Cut]) -> list[Piece]:
        """The dear half of both: windows with their outcomes. It changes nothing in the stream."""
        return [window for cut in cuts for window in self.model.judge_cuts([cut], "stream")]

    def _refuse_closed(self):
        if self.closed:
            raise SerError(
                got="a stream that was closed", expected="one stream per recording", remedy="open another: model.stream"
            )
