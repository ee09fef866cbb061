"""The Ray Serve application: joins or starts a cluster, deploys the groups of layers, answers until a signal comes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any, Dict, Optional

import ray
from ray import serve

from serving import grpc_front
from serving.config import ServingConfig
from serving.private import Private, read_token
from serving.repository import Repository, parts_of
from serving.rest import Rest
from serving.router import Part, Router

#: Ray gives its processes 30 s to start, which a busy machine can exceed.
START_ATTEMPTS = 3


def connect(address: Optional[str], config: ServingConfig, private: Private) -> None:
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
        # Ray opens its folder, with sockets and logs, to all users; the private folder around it does not.
        options.update(include_dashboard=False, num_cpus=n_cpus, _node_ip_address="127.0.0.1",
                       _temp_dir=str(private.folder / "ray"))
    for attempt in range(START_ATTEMPTS):
        try:
            ray.init(address, **options)
            break
        except Exception as error:  # of no class of its own
            if "timed out during startup" not in str(error) or attempt == START_ATTEMPTS - 1:
                raise
            ray.shutdown()
    serve.start(http_options={"host": config.host, "port": config.http_port})


def disconnect(address: Optional[str]) -> None:
    """Ends what was deployed, and the cluster where it is our own."""
    if address is not None:
        serve.shutdown()
    ray.shutdown()


async def serve_until_ended(repository: Repository, config: ServingConfig, private: Private) -> None:
    """Deploys, says where it listens, waits."""
    groups = parts_of(repository, config.groups)
    parts = [
        Part.options(name=f"part-{i}", **config.part_options()).bind(
            str(repository.folder), names, config.max_tokens, config.threads_per_replica)
        for i, names in enumerate(groups)
    ]
    token_file = private.token_file and str(private.token_file)
    rest = Rest.options(num_replicas=config.front_replicas, ray_actor_options={"num_cpus": config.cpus_per_front}).bind(
        str(repository.folder), groups, token_file, config, *parts)
    await asyncio.to_thread(serve.run, rest, name="mta", route_prefix="/")
    handles = [serve.get_deployment_handle(f"part-{i}", "mta") for i in range(len(groups))]
    front = await grpc_front.start(Router(repository, groups, handles), config, read_token(token_file))
    ended = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, ended.set)
    print(f"serving {repository.inspectable()}: http://{config.host}:{config.http_port} and "
          f"grpc://{config.host}:{config.grpc_port}, {len(groups)} groups of layers, {config.replicas} replicas each",
          flush=True)
    await ended.wait()
    await front.stop(grace=2)
