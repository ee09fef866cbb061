"""Settings of the Ray Serve application, filled strictly from YAML: a misspelt key fails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, Optional

from mta.config import ConfigError, config_from_mapping


@dataclass(frozen=True)
class ServingConfig:
    """Where it listens, how layers are split, how many replicas run."""

    host: str = "127.0.0.1"
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

    with open(path, encoding="utf-8") as file:
        return config_from_mapping(ServingConfig, yaml.safe_load(file) or {})
