"""Device, number type and batch size, chosen from what the machine has and said aloud."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar, cast

import torch

from saebook.hub.errors import HubError
from saebook.hub.schema import Dtype, SubjectEntry
from saebook.hub.sizes import GIB, fitting_batch, weight_bytes

log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")


class Place(NamedTuple):
    """Where a model is put and in which number type."""

    device: str
    dtype: Dtype


def free_bytes(device: str) -> int:
    """Memory that is free: on the accelerator, or of the machine."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(torch.device(device))[0]
    if not hasattr(os, "sysconf"):
        raise HubError("the free memory of this system cannot be read; give batch and device")
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def chosen_place(entry: SubjectEntry, device: str = "auto", dtype: str = "auto") -> Place:
    """Device and number type for a model.

    A GPU where there is one. bfloat16 on it, or float16 on one that lacks bfloat16 (except for
    Gemma 2, whose residual stream overflows float16); float32 on a CPU, where half types are slow.

    Raises:
        HubError: The weights do not fit the memory that is free.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto":
        dtype = _dtype_on(device, entry)
    place = Place(device, cast(Dtype, dtype))
    need, free = weight_bytes(entry, place.dtype), free_bytes(device)
    if need > free:
        raise HubError(
            f"{entry.repo} takes {need / GIB:.1f} GiB in {place.dtype} and {free / GIB:.1f} GiB "
            f"are free on {device}; choose a smaller model, bfloat16, or a larger device"
        )
    log.info("%s goes to %s in %s", entry.repo, *place)
    return place


def _dtype_on(device: str, entry: SubjectEntry) -> Dtype:
    if not device.startswith("cuda"):
        return "float32"
    if torch.cuda.is_bf16_supported():
        return "bfloat16"
    return "float32" if entry.family == "gemma2" else "float16"


def chosen_batch(
    entry: SubjectEntry, place: Place, tokens: int, wanted: int, *, logits: bool = False
) -> int:
    """Batch whose forward pass fits the free memory; a smaller one than wanted is logged.

    Args:
        entry: The model; its weights are already in memory.
        place: Where it is, and in which number type.
        tokens: Tokens a sequence.
        wanted: The most.
        logits: Whether logits are made.
    """
    free = free_bytes(place.device)
    batch = fitting_batch(entry, free, tokens, wanted, place.dtype, logits=logits)
    if batch < wanted:
        log.warning("batch of %d lowered to %d: more does not fit %s", wanted, batch, place.device)
    return batch


def in_batches(work: Callable[[Sequence[T]], R], items: Sequence[T], batch: int) -> Iterator[R]:
    """Do work batch by batch; where memory runs out, halve the batch, say so and go on.

    Results come in the order of the items; only how many go together changes.

    Raises:
        HubError: Memory runs out for a single item.
    """
    at = 0
    while at < len(items):
        try:
            done = work(items[at : at + batch])
        except (torch.OutOfMemoryError, MemoryError):
            if batch == 1:
                raise HubError(
                    "memory ran out on a single item; shorten the texts, take a smaller model, "
                    "or free the device (another program may hold it)"
                ) from None
            batch //= 2
            log.warning("memory ran out; the batch is now %d", batch)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        yield done
        at += batch
