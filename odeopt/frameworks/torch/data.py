"""The data of a torch problem as arrays, from tensors or from the whole dataset of a DataLoader, in its order."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

AT_ONCE = 256  # samples per batch if the loader has no batch size


def arrays_of(data: Any) -> Any:
    """The arrays (X, y, ...) of a tuple of tensors or of a DataLoader; anything else is returned unchanged."""
    if isinstance(data, DataLoader):
        return _whole(data)
    return tuple(map(plain, data)) if isinstance(data, tuple) else data


def plain(value: Any) -> Any:
    """A tensor as an array; anything else is returned unchanged."""
    return value.detach().cpu().numpy() if torch.is_tensor(value) else value


def _whole(loader: DataLoader[Any]) -> tuple[Any, ...]:
    """Each sample once in the order of the dataset, even if the loader shuffles, subsamples or drops samples."""
    dataset = loader.dataset
    if isinstance(dataset, IterableDataset) or not isinstance(dataset, Sized):
        raise TypeError(f"data must be a DataLoader of a dataset with a length, got one of {type(dataset).__name__}")
    alone = loader.batch_size is None and loader.batch_sampler is None  # each sample is already a batch
    size = None if alone else loader.batch_size or AT_ONCE
    batches = [_parts(batch) for batch in DataLoader(dataset, size, shuffle=False, collate_fn=loader.collate_fn)]
    if not batches:
        raise ValueError("data must have samples, got an empty DataLoader")
    if len({len(batch) for batch in batches}) > 1:
        raise ValueError(
            f"data must have the same number of tensors per batch, got {sorted({len(b) for b in batches})}"
        )
    return tuple(_together(i, parts) for i, parts in enumerate(zip(*batches, strict=True)))


def _parts(batch: Any) -> Sequence[Any]:
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    for part in parts:
        if not torch.is_tensor(part):
            raise TypeError(f"data must be batches of tensors (X, y), got a {type(part).__name__} in one")
    return parts


def _together(i: int, parts: Sequence[Any]) -> Any:
    shapes = sorted({tuple(part.shape[1:]) for part in parts})
    if len(shapes) > 1:
        raise ValueError(f"data[{i}] must have samples of one shape, got {', '.join(map(str, shapes[:4]))}")
    return np.concatenate([plain(part) for part in parts])
