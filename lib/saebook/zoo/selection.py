"""The k largest of many values, exactly, without ordering them all."""

from __future__ import annotations

from torch import Tensor, arange, inf
from torch.nn.functional import pad


def largest(values: Tensor, k: int) -> Tensor:
    """Places [rows, k] of the k largest of each row [rows, n], in any order.

    In two steps: the k largest lie in the k groups whose largest member is largest, so only those
    groups, of about sqrt(n / k) values each, are searched. Exact for finite values.
    """
    n, size = values.shape[1], round((values.shape[1] / k) ** 0.5)
    if size < 3:  # two steps would look at nearly as many values as one
        return values.topk(k, sorted=False).indices
    if n % size:
        values = pad(values, (0, -n % size), value=-inf)
    rows, n_groups = len(values), values.shape[1] // size
    groups = values.view(rows, size, n_groups).amax(1).topk(k, sorted=False).indices
    first = arange(0, size * n_groups, n_groups, device=values.device)
    places = (groups[:, None] + first[:, None]).view(rows, size * k)
    return places.gather(1, values.gather(1, places).topk(k, sorted=False).indices)
