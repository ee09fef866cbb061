"""Text documents to token shards, and token shards to training windows.

A shard is a file of little-endian uint16 token ids, xz-compressed: documents one after the other, each opened by the
begin token. A window is that token followed by consecutive tokens of one stream, so a model meets text as the
inspector shows it: begin token first, then document text from anywhere.
"""

from __future__ import annotations

import io
import json
import lzma
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple, Union

import numpy as np

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 1, "pb": 1}]


class ShardError(ValueError):
    """A token shard that cannot be read, with its path and the reason."""


def read_documents(path: Union[str, Path]) -> Iterator[dict]:
    """Documents of a .jsonl or .jsonl.zst file (the latter through the `zstd` program)."""
    path = Path(path)
    if path.suffix != ".zst":
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
        return
    with subprocess.Popen(["zstd", "-dc", "--long=27", str(path)], stdout=subprocess.PIPE) as process:
        for line in io.TextIOWrapper(process.stdout, encoding="utf-8"):
            yield json.loads(line)
        if process.wait() != 0:
            raise ShardError(f"Cannot read {path}: zstd ended with code {process.returncode}.")


def tokenize_documents(tokenizer, texts: Iterable[str], begin_token_id: int, batch_size: int = 256) -> np.ndarray:
    """One stream of token ids, uint16: begin token, document, begin token, document, …"""
    chunks: List[np.ndarray] = []

    def flush(batch: List[str]) -> None:
        for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            chunks.append(np.array([begin_token_id, *encoding.ids], dtype=np.uint16))

    batch: List[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == batch_size:
            flush(batch)
            batch = []
    if batch:
        flush(batch)
    return np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.uint16)


def write_shard(path: Union[str, Path], tokens: np.ndarray) -> None:
    """Write a shard; it appears under its name only when complete."""
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(lzma.compress(tokens.astype("<u2").tobytes(), format=lzma.FORMAT_XZ, filters=_FILTERS))
    partial.replace(path)


def read_shard(path: Union[str, Path], vocab_size: int) -> np.ndarray:
    """Token ids of a shard, uint16. Raises `ShardError` when it is damaged or holds ids beyond the vocabulary."""
    try:
        content = lzma.decompress(Path(path).read_bytes())
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise ShardError(f"Cannot read token shard {path}: {error}. Make it again with training.prepare.") from error
    if len(content) % 2:
        raise ShardError(f"Cannot read token shard {path}: {len(content)} bytes are no whole number of 16-bit tokens.")
    tokens = np.frombuffer(content, dtype="<u2")
    if tokens.size and int(tokens.max()) >= vocab_size:
        raise ShardError(f"Token shard {path} holds id {int(tokens.max())}; the vocabulary has {vocab_size}.")
    return tokens


def read_streams(folders: Sequence[Union[str, Path]], vocab_size: int) -> Dict[str, np.ndarray]:
    """All shards `NAME-*.tokens.xz` of the folders, joined by NAME in the order of their file names."""
    paths = sorted((p for folder in folders for p in Path(folder).glob("*.tokens.xz")), key=lambda p: p.name)
    if not paths:
        raise ShardError(f"No *.tokens.xz in {', '.join(map(str, folders))}; training.prepare writes them.")
    with ThreadPoolExecutor() as pool:
        shards = list(pool.map(lambda path: read_shard(path, vocab_size), paths))
    streams: Dict[str, List[np.ndarray]] = {}
    for path, shard in zip(paths, shards):
        streams.setdefault(path.name.split("-")[0], []).append(shard)
    return {name: np.concatenate(parts) for name, parts in streams.items()}


@dataclass
class _Stream:
    segments: List[Tuple[int, int]]
    order: np.ndarray
    cursor: int = 0
    epoch: int = 0


class WindowSampler:
    """Chooses where training windows start; its state is small and can be stored with a checkpoint.

    Streams lie one after the other in one long array (`joined`). Every pass over a stream cuts it at a fresh phase
    into windows and visits each once, in random order. Weights say which share of windows comes from each stream.
    """

    def __init__(self, streams: Mapping[str, np.ndarray], weights: Mapping[str, float], window: int, seed: int) -> None:
        unknown = set(weights) - set(streams)
        if unknown:
            raise ShardError(f"The mix names {', '.join(sorted(unknown))}; there are streams {', '.join(sorted(streams))}.")
        self.names = sorted(weights)
        total = sum(weights.values())
        self.shares = np.array([weights[name] / total for name in self.names])
        self.joined = np.zeros(0, np.uint16)
        self._rng = np.random.default_rng(seed)
        self._streams = [_Stream([], np.zeros(0, np.int64)) for _ in self.names]
        self._append(streams)
        self.set_window(window)

    def _append(self, streams: Mapping[str, np.ndarray]) -> None:
        """Put more text of the streams at the end of `joined`; what the mix does not name is left out."""
        start, parts = len(self.joined), [self.joined]
        for name, stream in zip(self.names, self._streams):
            if name in streams:
                stream.segments.append((start, len(streams[name])))
                start += len(streams[name])
                parts.append(streams[name])
        self.joined = np.concatenate(parts)

    def add(self, streams: Mapping[str, np.ndarray]) -> None:
        """Add text to streams during a pass: its windows are mixed with those that the pass has not visited yet."""
        known = [len(stream.segments) for stream in self._streams]
        self._append(streams)
        for stream, n_known in zip(self._streams, known):
            if len(stream.segments) > n_known:
                rest = [stream.order[stream.cursor :], self._starts(stream.segments[n_known:])]
                stream.order = np.concatenate([stream.order[: stream.cursor], self._rng.permutation(np.concatenate(rest))])

    def set_window(self, window: int) -> None:
        """Change the window length (tokens after the begin token plus the one to predict)."""
        for name, stream in zip(self.names, self._streams):
            length = sum(length for _, length in stream.segments)
            if length < 2 * window:
                raise ShardError(f"Stream {name} has {length} tokens, too few for windows of {window}.")
        self.window = window
        for stream in self._streams:
            self._new_epoch(stream)

    def _starts(self, segments: Sequence[Tuple[int, int]]) -> np.ndarray:
        """Where windows start in `joined`, cut at a fresh phase, in order."""
        phase = int(self._rng.integers(0, self.window))
        return np.concatenate([start + np.arange(phase, length - self.window, self.window, dtype=np.int64) for start, length in segments])

    def _new_epoch(self, stream: _Stream) -> None:
        stream.order, stream.cursor = self._rng.permutation(self._starts(stream.segments)), 0

    def next_starts(self, batch_size: int) -> np.ndarray:
        """Start positions in `joined` for one batch, int64 [batch]."""
        counts = self._rng.multinomial(batch_size, self.shares)
        starts = []
        for stream, count in zip(self._streams, counts):
            while count:
                if stream.cursor == len(stream.order):
                    stream.epoch += 1
                    self._new_epoch(stream)
                taken = stream.order[stream.cursor : stream.cursor + count]
                stream.cursor += len(taken)
                count -= len(taken)
                starts.append(taken)
        return self._rng.permutation(np.concatenate(starts))

    def epochs(self) -> Dict[str, float]:
        """How often each stream has been passed (at the present window length)."""
        return {n: s.epoch + s.cursor / max(1, len(s.order)) for n, s in zip(self.names, self._streams)}

    def state(self) -> dict:
        """Everything needed to go on exactly here."""
        rows = [(s.order.copy(), s.cursor, s.epoch) for s in self._streams]
        return {"rng": self._rng.bit_generator.state, "window": self.window, "streams": rows}

    def restore(self, state: dict) -> None:
        """Undo of `state`, for the same streams."""
        self.window = state["window"]
        for stream, (order, cursor, epoch) in zip(self._streams, state["streams"]):
            stream.order, stream.cursor, stream.epoch = order, cursor, epoch
        self._rng.bit_generator.state = state["rng"]


def gather_windows(joined, starts, seqlen: int, begin_token_id: int) -> Tuple:
    """Inputs and targets, each [batch, seqlen] of int64, on the device of `joined`.

    joined: 1-D integer tensor. starts: int64 tensor [batch]. The input is the begin token and `seqlen − 1` tokens
    from `starts` on; the target is the same shifted by one, so every position predicts.
    A window that begins at a document's own begin token does not get a second one.
    """
    import torch

    offsets = torch.arange(seqlen + 1, device=joined.device)
    at_begin = joined[starts] == begin_token_id
    first = starts - 1 + at_begin.long()
    tokens = joined[(first[:, None] + offsets).clamp_(0, joined.numel() - 1)].long()
    tokens[:, 0] = begin_token_id
    return tokens[:, :-1], tokens[:, 1:]
