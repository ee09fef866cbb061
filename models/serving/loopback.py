"""Keeps a replica's own gRPC server off the network: Ray opens it on every address of the machine and here never uses it."""

from __future__ import annotations


def listen_on_loopback_only() -> None:
    """Call it in a deployment's constructor: Ray opens the server after that."""
    from ray.serve._private import constants, replica

    if constants.RAY_SERVE_USE_GRPC_BY_DEFAULT:  # the user's own choice: replicas of several machines talk through it
        return
    add_port = replica.add_port_to_grpc_server

    def add_loopback_port(server, address: str) -> int:
        return add_port(server, address.replace("[::]:", "127.0.0.1:"))

    replica.add_port_to_grpc_server = add_loopback_port
