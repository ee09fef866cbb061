"""Settings of the Ray Serve application, filled strictly from YAML: a misspelt key fails."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Optional


class ConfigError(ValueError):
    """A setting that is unknown, of the wrong type or out of range. `mta.config` has its like, but needs PyTorch."""


@dataclass(frozen=True)
class ServingConfig:
    """Where it listens, how layers are split, how many replicas run."""

    host: str = "127.0.0.1"
    #: Names by which clients reach the REST side, beside `localhost` and addresses; web pages with others are refused.
    host_names: List[str] = field(default_factory=list)
    http_port: int = 8000
    grpc_port: int = 8001
    #: Runs of consecutive layers; each is one deployment with replicas of its own.
    groups: int = 1
    #: Replicas of each group; with `max_replicas`, the least.
    replicas: int = 2
    #: Ray starts more replicas up to here while requests wait; None: never.
    max_replicas: Optional[int] = None
    cpus_per_replica: float = 0.5
    gpus_per_replica: float = 0.0
    #: 0: ONNX Runtime chooses.
    threads_per_replica: int = 1
    #: Requests that one replica works on at once; more wait.
    requests_per_replica: int = 4
    front_replicas: int = 1
    cpus_per_front: float = 0.1
    #: Longest window that is taken; maps grow with its square.
    max_tokens: int = 4096

    def __post_init__(self) -> None:
        for name in ("groups", "replicas", "requests_per_replica", "front_replicas", "max_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ConfigError(f"max_replicas is {self.max_replicas}; it must be at least replicas, {self.replicas}.")

    def needed_cpus(self) -> int:
        """What Ray must count for all replicas to be placed."""
        parts = self.groups * (self.max_replicas or self.replicas) * self.cpus_per_replica
        return math.ceil(parts + self.front_replicas * self.cpus_per_front)

    def part_options(self) -> Dict[str, Any]:
        """Options of a group's deployment."""
        options: Dict[str, Any] = {
            "max_ongoing_requests": self.requests_per_replica,
            "ray_actor_options": {"num_cpus": self.cpus_per_replica, "num_gpus": self.gpus_per_replica},
            "health_check_period_s": 2,
            "graceful_shutdown_timeout_s": 5,
        }
        if self.max_replicas is None:
            return {**options, "num_replicas": self.replicas}
        scaling = {"min_replicas": self.replicas, "max_replicas": self.max_replicas,
                   "target_ongoing_requests": self.requests_per_replica / 2}
        return {**options, "autoscaling_config": scaling}


def read_config(path: Optional[str]) -> ServingConfig:
    """Raises `ConfigError` for an unknown key or a wrong value."""
    if path is None:
        return ServingConfig()
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {path}: it is not valid YAML ({error}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {type(content).__name__}; expected settings by name.")
    defaults = {spec.name: getattr(ServingConfig(), spec.name) for spec in fields(ServingConfig)}
    for key, value in content.items():
        if key not in defaults:
            raise ConfigError(f"{key} is not a known setting; known are {', '.join(sorted(defaults))}.")
        kind = int if defaults[key] is None else type(defaults[key])
        fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
        if not fits and not (value is None and defaults[key] is None):
            raise ConfigError(f"{key} is {value!r}; expected {kind.__name__}.")
        if kind is list and not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{key} is {value!r}; expected a list of names.")
    return ServingConfig(**content)
