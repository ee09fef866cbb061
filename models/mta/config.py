"""Configuration of a Multi-Token Attention model: strict, frozen dataclasses.

Every field is spelled as in the authors' `MTATransformerArgs` and lingua's `BaseTransformerArgs`;
an unknown key, a missing key or a value that cannot work raises `ConfigError`, with the key and the value in it.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple, Type, TypeVar, Union

from .program import read_json
from .rope import ROPE_STYLES, ROPE_TYPES

PAD_KEY_CHOICES = ("both", "left", "right")
INIT_METHODS = ("identity", "const", "uniform", "normal", "diagonal")

ConfigT = TypeVar("ConfigT")


class ConfigError(ValueError):
    """A configuration that names an unknown key, lacks one, or asks for something impossible."""


@dataclass(frozen=True)
class MTAConfig:
    """The multi-token parts of attention; the defaults are the authors' (mta-spec §4)."""

    use_mta: bool = False
    query_kernel_size: Optional[int] = 1
    key_kernel_size: Optional[int] = 1
    pad_key: str = "both"
    mta_layers: Optional[Tuple[int, ...]] = None
    after_sm_query_kernel_size: Optional[int] = None
    after_sm_key_kernel_size: Optional[int] = None
    init_method: str = "identity"
    head_kernel_size: Optional[int] = None
    group_norm: bool = False
    layer_norm_rescale: bool = False
    curse_norm: bool = False
    pre_sm_linear_head: bool = False
    post_sm_linear_head: bool = False
    add_gating: bool = False
    gate_1d: bool = True

    def __post_init__(self) -> None:
        if self.pad_key not in PAD_KEY_CHOICES:
            raise ConfigError(f'mta.pad_key is "{self.pad_key}"; it must be one of {", ".join(PAD_KEY_CHOICES)}.')
        if self.init_method not in INIT_METHODS:
            raise ConfigError(
                f'mta.init_method is "{self.init_method}"; it must be one of {", ".join(INIT_METHODS)}.'
            )
        if isinstance(self.mta_layers, str):
            object.__setattr__(self, "mta_layers", _layers_from_text(self.mta_layers))
        self._check_kernel("query_kernel_size", "key_kernel_size")
        self._check_kernel("after_sm_query_kernel_size", "after_sm_key_kernel_size")
        if self.head_kernel_size is not None and self.post_sm_linear_head:
            raise ConfigError("mta.head_kernel_size and mta.post_sm_linear_head exclude each other; keep one.")

    def _check_kernel(self, query_name: str, key_name: str) -> None:
        query_size, key_size = getattr(self, query_name), getattr(self, key_name)
        if query_size is None or key_size is None:
            return
        if query_size < 1 or key_size < 1:
            raise ConfigError(f"mta.{query_name}×{key_name} is {query_size}×{key_size}; both must be at least 1.")
        if self.pad_key == "both" and key_size % 2 == 0:
            raise ConfigError(f'mta.{key_name} is {key_size}; pad_key "both" needs an odd size.')

    def has_key_query_conv(self, layer_idx: int) -> bool:
        """True when the layer has key-query kernels at all (before asking which)."""
        return self.use_mta and (self.mta_layers is None or layer_idx in self.mta_layers)

    def pre_softmax_kernel(self, layer_idx: int) -> Optional[Tuple[int, int]]:
        """Sizes (query, key) of the kernel on the scores of this layer, or None."""
        if not self.has_key_query_conv(layer_idx) or None in (self.query_kernel_size, self.key_kernel_size):
            return None
        return typing.cast(Tuple[int, int], (self.query_kernel_size, self.key_kernel_size))

    def post_softmax_kernel(self, layer_idx: int) -> Optional[Tuple[int, int]]:
        """Sizes (query, key) of the kernel on the pattern of this layer, or None."""
        sizes = (self.after_sm_query_kernel_size, self.after_sm_key_kernel_size)
        if not self.has_key_query_conv(layer_idx) or None in sizes:
            return None
        return typing.cast(Tuple[int, int], sizes)


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a whole model. `hidden_dim` is the feed-forward width.

    From `rope_scaling` on, what other llama-class models have: see `src/graph/modelConfig.ts` for each.
    """

    dim: int
    n_layers: int
    n_heads: int
    vocab_size: int
    max_seqlen: int
    hidden_dim: int
    n_kv_heads: Optional[int] = None
    head_dim: Optional[int] = None
    norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    rope_style: str = "interleaved"
    weight_tying: bool = False
    rope_scaling: Optional[Dict[str, Any]] = None
    qkv_bias: bool = False
    output_bias: bool = False
    ffn_bias: bool = False
    qk_norm: Optional[str] = None
    norm_position: str = "before"
    sliding_window: Optional[int] = None
    sliding_layers: Optional[Tuple[int, ...]] = None
    mta: MTAConfig = field(default_factory=MTAConfig)

    def __post_init__(self) -> None:
        for name in ("dim", "n_layers", "n_heads", "vocab_size", "max_seqlen", "hidden_dim"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.head_dim is None:
            if self.dim % self.n_heads:
                raise ConfigError(f"dim {self.dim} is not divisible by n_heads {self.n_heads}; set head_dim.")
            object.__setattr__(self, "head_dim", self.dim // self.n_heads)
        if self.n_kv_heads is None:
            object.__setattr__(self, "n_kv_heads", self.n_heads)
        if self.n_heads % self.n_kv_heads:
            raise ConfigError(f"n_kv_heads is {self.n_kv_heads}; it must divide n_heads {self.n_heads}.")
        if self.head_dim % 2:
            raise ConfigError(f"head_dim is {self.head_dim}; rotary positions need an even number.")
        choices = {"rope_style": ROPE_STYLES, "qk_norm": (None, "head", "full"), "norm_position": ("before", "after")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f'{name} is "{getattr(self, name)}"; it must be one of {", ".join(map(str, allowed))}.')
        if self.rope_scaling is not None and self.rope_scaling.get("rope_type") not in ROPE_TYPES:
            raise ConfigError(f'rope_scaling.rope_type is "{self.rope_scaling.get("rope_type")}"; it must be one of {", ".join(ROPE_TYPES)}.')
        if self.mta.head_kernel_size is not None and self.n_heads % self.mta.head_kernel_size:
            raise ConfigError(
                f"mta.head_kernel_size is {self.mta.head_kernel_size}; it must divide n_heads {self.n_heads}."
            )
        for layer_idx in self.mta.mta_layers or ():
            if not 0 <= layer_idx < self.n_layers:
                raise ConfigError(f"mta.mta_layers names layer {layer_idx}; there are layers 0 to {self.n_layers - 1}.")

    def layer_sliding_window(self, layer_idx: int) -> Optional[int]:
        """Keys a query of this layer looks back to, itself included; None for all."""
        is_sliding = self.sliding_layers is None or layer_idx in self.sliding_layers
        return self.sliding_window if is_sliding else None


def ffn_hidden_dim(dim: int, multiple_of: int = 256, ffn_dim_multiplier: Optional[float] = None) -> int:
    """Feed-forward width as lingua computes it: two thirds of 4·dim, scaled, rounded up to `multiple_of`."""
    hidden_dim = int(2 * 4 * dim / 3)
    if ffn_dim_multiplier is not None:
        hidden_dim = int(ffn_dim_multiplier * hidden_dim)
    return multiple_of * -(-hidden_dim // multiple_of)


def config_from_mapping(cls: Type[ConfigT], mapping: Mapping[str, Any], where: str = "") -> ConfigT:
    """Fill a dataclass from a mapping, strictly: unknown and missing keys and wrong types raise `ConfigError`.

    `where` is the dotted path of the mapping in the file, for messages.
    """
    prefix = f"{where}." if where else ""
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{where or cls.__name__} must be a mapping, found {type(mapping).__name__}.")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in mapping:
        if key not in fields:
            raise ConfigError(f"{prefix}{key} is not a known setting; known are {', '.join(sorted(fields))}.")
    values = {}
    for name, spec in fields.items():
        if name not in mapping:
            if spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
                raise ConfigError(f"{prefix}{name} is missing.")
            continue
        values[name] = _coerce(mapping[name], hints[name], f"{prefix}{name}")
    return cls(**values)


def config_to_mapping(config: Any) -> dict:
    """The inverse of `config_from_mapping`: plain dicts and lists, ready for JSON or YAML."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def bundle_config(model: ModelConfig, **extra: Any) -> dict:
    """The content of a model folder's config.json; `extra` adds name, token ids, training and metrics."""
    mapping = config_to_mapping(model)
    mta = mapping.pop("mta")
    return {"model_type": "mta", **{k: v for k, v in extra.items() if k == "name"}, **mapping,
            **{k: v for k, v in extra.items() if k in ("bos_token_id", "eos_token_id")}, "mta": mta,
            **{k: v for k, v in extra.items() if k not in ("name", "bos_token_id", "eos_token_id")}}


def model_config_from_bundle(folder: Union[str, Path]) -> ModelConfig:
    """Read the sizes from `folder`/config.json. Keys that describe rather than size the model are skipped."""
    content = read_json(Path(folder) / "config.json")
    known = {f.name for f in dataclasses.fields(ModelConfig)}
    return config_from_mapping(ModelConfig, {k: v for k, v in content.items() if k in known}, "config.json")


def _layers_from_text(text: str) -> Tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f'mta.mta_layers is "{text}"; expected numbers separated by commas.') from None


def _coerce(value: Any, hint: Any, where: str) -> Any:
    """Check one value against its type hint; lists become tuples, mappings become dataclasses."""
    if dataclasses.is_dataclass(hint):
        return config_from_mapping(hint, value, where)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Union:
        if value is None and type(None) in args:
            return None
        return _coerce(value, next(a for a in args if a is not type(None)), where)
    if origin is tuple:
        if isinstance(value, str) and where.endswith("mta_layers"):
            return _layers_from_text(value)
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where} is {value!r}; expected a list.")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_coerce(item, args[0], f"{where}[{i}]") for i, item in enumerate(value))
        return tuple(value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {value!r}; expected a mapping.")
        return {key: _coerce(item, args[1], f"{where}.{key}") for key, item in value.items()}
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool):
        if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
            raise ConfigError(f"{where} is {value!r}; expected {hint.__name__}.")
    return value
