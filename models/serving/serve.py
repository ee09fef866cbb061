"""Serves a repository of `mta-inspect export-repository` with Ray Serve: `python -m serving.serve REPOSITORY`.

Started by `npm run serve`, which makes the environment and the repository too. Layers are split into groups; each group
has its own replicas, which Ray places on the machines of its cluster (README.md says how many of which).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

import ray
from ray import serve

from serving import grpc_front
from serving.config import ServingConfig, read_config
from serving.repository import Repository, parts_of
from serving.rest import Rest
from serving.router import Part, Router


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Serves until a signal ends it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository")
    parser.add_argument("--config", help="YAML file with the settings of serving/config.py")
    parser.add_argument("--address", help="a running Ray cluster; absent: one on this machine alone")
    args = parser.parse_args(arguments)
    config = read_config(args.config)
    token = os.environ.pop("MTA_SERVING_TOKEN", None) or None  # workers need not know it from their environment
    repository = Repository.open(args.repository)
    connect(args.address, config)
    try:
        asyncio.run(serve_until_ended(repository, config, token))
    finally:
        if args.address is not None:
            serve.shutdown()  # a cluster of our own ends whole
        ray.shutdown()


def connect(address: Optional[str], config: ServingConfig) -> None:
    """Joins a cluster, or starts one on the loopback address."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    models = str(Path(__file__).resolve().parent.parent)
    options: Dict[str, Any] = {"log_to_driver": False}
    if address is not None:
        options["runtime_env"] = {"env_vars": {"PYTHONPATH": models}}
    else:
        # Workers inherit this environment: those that Ray starts ahead can be used, which one of their own would forbid.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [models, os.environ.get("PYTHONPATH")]))
        # Ray only counts: replicas of a small model share cores, and all of them must be placed on this one machine.
        n_cpus = max(os.cpu_count() or 1, config.needed_cpus())
        options.update(include_dashboard=False, num_cpus=n_cpus, _node_ip_address="127.0.0.1")
    ray.init(address, **options)
    serve.start(http_options={"host": config.host, "port": config.http_port})


async def serve_until_ended(repository: Repository, config: ServingConfig, token: Optional[str]) -> None:
    """Deploys, says where it listens, waits."""
    groups = parts_of(repository, config.groups)
    parts = [
        Part.options(name=f"part-{i}", **config.part_options()).bind(
            str(repository.folder), names, config.max_tokens, config.threads_per_replica)
        for i, names in enumerate(groups)
    ]
    rest = Rest.options(num_replicas=config.front_replicas, ray_actor_options={"num_cpus": config.cpus_per_front}).bind(
        str(repository.folder), groups, token, *parts)
    await asyncio.to_thread(serve.run, rest, name="mta", route_prefix="/")
    handles = [serve.get_deployment_handle(f"part-{i}", "mta") for i in range(len(groups))]
    front = await grpc_front.start(Router(repository, groups, handles), f"{config.host}:{config.grpc_port}", token)
    ended = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, ended.set)
    print(f"serving {repository.inspectable()}: http://{config.host}:{config.http_port} and "
          f"grpc://{config.host}:{config.grpc_port}, {len(groups)} groups of layers, {config.replicas} replicas each",
          flush=True)
    await ended.wait()
    await front.stop(grace=2)


if __name__ == "__main__":
    sys.exit(main())
