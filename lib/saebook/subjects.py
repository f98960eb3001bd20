"""A subject: one language model, its tokenizer, and the names of its hook points.

A hook point has one spelling, ``blocks.<layer>.hook_resid_post``, and one meaning in every
family: the output of decoder block `layer`, before any final norm.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

if TYPE_CHECKING:
    from nnsight.modeling.transformers import TransformersModel

Scale = Literal["testbed", "rehearsal", "paper"]

BLOCK_PATHS = {
    "gemma2": "model.layers",
    "llama": "model.layers",
    "mistral": "model.layers",
    "qwen2": "model.layers",
    "gpt2": "transformer.h",
    "gpt_neox": "gpt_neox.layers",
}
"""Where each family keeps its decoder blocks, by `config.model_type`."""

_HOOK = re.compile(r"blocks\.(0|[1-9]\d*)\.hook_resid_post")


def hook_name(layer: int) -> str:
    """Spell the hook point of a block's output, ``blocks.<layer>.hook_resid_post``."""
    if layer < 0:
        raise ValueError(f"layer {layer} is negative; blocks count from 0")
    return f"blocks.{layer}.hook_resid_post"


def parse_hook(name: str) -> int:
    """Return the layer that ``blocks.<layer>.hook_resid_post`` names.

    Raises:
        ValueError: any other spelling.
    """
    match = _HOOK.fullmatch(name)
    if match is None:
        raise ValueError(
            f"unknown hook point {name!r}; the one spelling is blocks.<layer>.hook_resid_post"
        )
    return int(match.group(1))


def block_tensor(output: Tensor | tuple) -> Tensor:
    """Return the residual stream [batch, position, d_model] from a block's output.

    Some transformers versions return a tensor, some a tuple that starts with it.
    """
    return output[0] if isinstance(output, tuple) else output


def with_block_tensor(output: Tensor | tuple, resid: Tensor) -> Tensor | tuple:
    """Return a block's output with its residual stream replaced, in the form it came in."""
    return (resid, *output[1:]) if isinstance(output, tuple) else resid


@dataclass(frozen=True, eq=False)
class Subject:
    """A causal language model under study, with its tokenizer and hook points."""

    name: str
    """A house model's name, or a repository on the hub."""
    family: str
    """The architecture, a key of `BLOCK_PATHS`."""
    model: PreTrainedModel
    """In eval mode."""
    tokenizer: Tokenizer
    """As it came: nothing here changes its padding."""
    scale: Scale = "testbed"
    """Which kind of evidence its numbers are."""

    @classmethod
    def from_model(
        cls,
        model: PreTrainedModel,
        tokenizer: Tokenizer,
        name: str | None = None,
        scale: Scale = "testbed",
    ) -> Subject:
        """Wrap any causal language model of a known family.

        Raises:
            ValueError: an unknown family or scale, or a model left in training mode.
        """
        family = model.config.model_type
        if family not in BLOCK_PATHS:
            raise ValueError(f"unknown model family {family!r}; known: {', '.join(BLOCK_PATHS)}")
        if scale not in get_args(Scale):
            raise ValueError(f"unknown scale {scale!r}; known: {', '.join(get_args(Scale))}")
        if model.training:
            raise ValueError("the model is in training mode (dropout is on); call model.eval()")
        return cls(name or model.config.name_or_path or family, family, model, tokenizer, scale)

    @property
    def blocks(self) -> nn.ModuleList:
        """The decoder blocks in order."""
        return cast(nn.ModuleList, self.model.get_submodule(BLOCK_PATHS[self.family]))

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return len(self.blocks)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.model.config.hidden_size

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def bos_id(self) -> int | None:
        """The token that starts every text, or None in a family that has none (Qwen 2)."""
        return cast("int | None", self.tokenizer.bos_token_id)

    @property
    def eos_id(self) -> int | None:
        """The token that ends a text, if the tokenizer names one."""
        return cast("int | None", self.tokenizer.eos_token_id)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Ids of BOS, EOS, padding and chat-template tokens; the unknown word is not special."""
        added = self.tokenizer.added_tokens_decoder
        ids = {*self.tokenizer.all_special_ids, *(i for i, t in added.items() if t.special)}
        return frozenset(ids - {cast("int | None", self.tokenizer.unk_token_id)})

    @property
    def digest(self) -> str:
        """SHA-256 over the names, types, shapes and bytes of all weights, as they are now."""
        total = hashlib.sha256()
        for key, value in sorted(self.model.state_dict().items()):
            total.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
            total.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
        return total.hexdigest()

    @cached_property
    def traced(self) -> TransformersModel:
        """The nnsight wrapper, made once.

        It takes a copy of the tokenizer because nnsight sets the padding of the one it is given,
        and the device because its pipeline would otherwise move the model to the first GPU.
        """
        from nnsight.modeling.transformers import TransformersModel

        return TransformersModel(
            self.model,
            tokenizer=copy.deepcopy(self.tokenizer),
            task="text-generation",
            device=str(self.device),
        )

    def check_layer(self, layer: int) -> int:
        """Return `layer` if the model has it. Raises ValueError naming the range."""
        if not 0 <= layer < self.n_layers:
            raise ValueError(
                f"layer {layer} is out of range; {self.name} has layers 0 to {self.n_layers - 1}"
            )
        return layer

    def block(self, layer: int) -> nn.Module:
        """Return decoder block `layer`. Raises ValueError naming the range."""
        return self.blocks[self.check_layer(layer)]

    def traced_block(self, layer: int) -> Any:
        """Return nnsight's view of block `layer`, whose ``.output`` is the hook point."""
        place: Any = self.traced
        for part in BLOCK_PATHS[self.family].split("."):
            place = getattr(place, part)
        return place[self.check_layer(layer)]

    def encode(self, texts: Sequence[str], bos: bool = True) -> list[list[int]]:
        """Turn texts into token ids, with exactly one BOS in front where the family has one.

        A text that already starts with BOS (a rendered chat template) does not get a second.

        Raises:
            ValueError: `texts` is one string, or one of the texts has no token.
        """
        if isinstance(texts, str):
            raise ValueError("encode takes a sequence of texts, not one string")
        if not texts:
            return []
        rows = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        for i, row in enumerate(rows):
            if not row:
                raise ValueError(f"text {i} has no token: {texts[i]!r}")
        return [self._with_bos(row) for row in rows] if bos else rows

    def _with_bos(self, row: list[int]) -> list[int]:
        if self.bos_id is None or row[0] == self.bos_id:
            return row
        return [self.bos_id, *row]

    def decode(self, ids: Sequence[int]) -> str:
        """Turn token ids into text, special tokens included."""
        return cast(str, self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


def load_subject(name: str, revision: str | None = None) -> Subject:
    """Load a house model, or a published model of the catalogue at a pinned commit.

    Args:
        name: A house model's name, or a published one's in the catalogue or on the hub.
        revision: The commit of a published model; the catalogue's by default.

    Raises:
        ValueError: Neither is called that; the message lists the house models.
        HubError: A published model cannot be had; the message says why and what to do.
    """
    from saebook.hub import entries
    from saebook.testbed import HOUSE_MODELS, load_house_model

    if name in HOUSE_MODELS:
        house = load_house_model(name)
        return Subject.from_model(house.model, house.tokenizer, name=name, scale="testbed")
    published = {*entries.subjects(), *(entry.repo for entry in entries.subjects().values())}
    if name in published:
        from saebook.hub.models import load_published

        return load_published(name, revision)
    raise ValueError(
        f"unknown model {name!r}; house models known: {', '.join(HOUSE_MODELS)}. "
        "`python -m saebook.hub list` shows the published ones."
    )


def load_hub_subject(
    name: str,
    revision: str,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    scale: Scale = "paper",
    n_layers: int | None = None,
) -> Subject:
    """Load a model from the hub (or a folder in its format) at a pinned revision.

    With `n_layers` the first blocks alone are kept in memory.

    Raises:
        ValueError: the family is unknown.
        OSError: the hub cannot be reached or has no such model or revision.
    """
    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    first = {} if n_layers is None else {"num_hidden_layers": n_layers}
    model: Any = AutoModelForCausalLM.from_pretrained(
        name, revision=revision, dtype=dtype, use_safetensors=True, **first
    )
    return Subject.from_model(model.to(device).eval(), tokenizer, name=name, scale=scale)
