"""WebM, Ogg and the like that come piece by piece, decoded by ffmpeg as they come."""

import asyncio
import io
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

import numpy as np

from ser_plugins.errors import AudioError
from ser_plugins.service.uploads import MAX_VALUES_PER_SECOND
from ser_plugins.sound.ffmpeg import HEAD, PATIENCE, complaints, decoder, find_ffmpeg, format_of, read_head

MARKED = 64  # bytes by which a format is known
BLOCK = 2**16  # bytes of samples that are taken at once


async def decoded(pieces: AsyncIterator[bytes], idle: float) -> AsyncGenerator[tuple[int, np.ndarray], None]:
    """Decode pieces of one file; none is taken before ffmpeg has room for it.

    Arguments
    ---------
    pieces : async iterator of bytes
        Of any lengths.
    idle : float
        Longest wait for a piece, in s: so long, and as long as ffmpeg may take, it is waited for sound.

    Yields
    ------
    tuple
        The rate in Hz, and (samples, channels), float32.

    Raises
    ------
    AudioError, SerError
        Nothing that can be decoded, or damaged; no ffmpeg. What ``pieces`` raises.
    """
    start = b""
    async for piece in pieces:
        start += piece
        if len(start) >= MARKED:
            break
    kind = format_of(io.BytesIO(start))
    if kind is None:
        raise AudioError(
            got=f"a stream that begins with {start[:12]!r}" if start else "a stream without a byte",
            expected="WebM, Ogg, fragmented MP4, FLAC or AAC, from its first byte on",
            remedy="encoding=s16le or encoding=f32le for bare samples",
        )
    command = decoder(find_ffmpeg(), kind, "pipe:0")
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log
        )
        feeding = asyncio.ensure_future(_feed(process.stdin, start, pieces))
        try:
            async for block in _blocks(process.stdout, idle + PATIENCE):
                yield block
            await feeding
            code = await process.wait()
        finally:
            feeding.cancel()
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        log.seek(0)
        damage = complaints(log.read(2**20).decode(errors="replace").splitlines(), code)
    if damage:
        raise AudioError(
            got=f"ffmpeg says of the stream: {damage}",
            expected="a whole file in pieces, from its first byte to its last",
            remedy="begin a new stream with a new recorder; send all that it gives",
        )


async def _feed(pipe, start, pieces):
    """Give ffmpeg what comes, as it takes it; what it no longer wants is let go."""
    try:
        pipe.write(start)
        await pipe.drain()
        async for piece in pieces:
            pipe.write(piece)
            await pipe.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass
    finally:
        pipe.close()


async def _blocks(pipe, patience):
    """Rate and samples out of what ffmpeg writes; none where it writes no header."""
    head = b""
    while len(head) < HEAD:
        part = await _take(pipe, HEAD - len(head), patience)
        if not part:
            return
        head += part
    skipped, rate, channels = read_head(head)
    if not 0 < rate * channels <= MAX_VALUES_PER_SECOND:
        raise AudioError(
            got=f"a stream of {channels} channels at {rate} Hz",
            expected=f"at most {MAX_VALUES_PER_SECOND:,} values per second",
            remedy="record one channel",
        )
    width = 4 * channels
    rest = b""
    while part := await _take(pipe, BLOCK, patience):
        content = rest + part
        passed = min(skipped, len(content))
        content, skipped = content[passed:], skipped - passed
        whole = len(content) // width * width
        rest = content[whole:]
        if whole:
            yield rate, np.frombuffer(content[:whole], ">f4").astype(np.float32).reshape(-1, channels)


async def _take(pipe, size, patience):
    try:
        return await asyncio.wait_for(pipe.read(size), patience)
    except asyncio.TimeoutError:
        raise AudioError(
            got=f"no sound out of the stream within {patience:g} s",
            expected="a stream that ffmpeg decodes as it comes",
            remedy="send it from its first byte on, in an encoding that can be streamed",
        ) from None
