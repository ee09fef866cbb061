"""Serves a repository of `mta-inspect export-repository` with Ray Serve: `python -m serving.serve REPOSITORY`.

Started by `npm run serve`, which makes the environment and the repository too. Layers are split into groups; each group
has its own replicas, which Ray places on the machines of its cluster (README.md says how many of which).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Optional, Sequence

from mta.program import sentence_of
from serving.config import read_config
from serving.private import TOKEN, TOKEN_FILE, PrivacyError, prepare, read_token
from serving.repository import Repository


def main(arguments: Optional[Sequence[str]] = None) -> Optional[str]:
    """Serves until a signal ends it; returns a message when it cannot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository")
    parser.add_argument("--config", help="YAML file with the settings of serving/config.py")
    parser.add_argument("--address", help="a running Ray cluster; absent: one on this machine alone")
    parser.add_argument("--open", action="store_true", help="ask for no token: anyone who reaches the ports may use them")
    args = parser.parse_args(arguments)
    is_given = TOKEN in os.environ or TOKEN_FILE in os.environ
    try:
        config = read_config(args.config)
        repository = Repository.open(args.repository)
        private = prepare(os.environ, args.address, is_open=args.open)
    except (OSError, ValueError) as error:
        return sentence_of(error)
    try:
        token = read_token(private.token_file and str(private.token_file))
        if token is not None and not is_given:
            print(f"Clients need this token, made anew at each start ({TOKEN} sets another): {token}", flush=True)
        from serving import application  # imports Ray, which reads its settings from the environment then

        application.connect(args.address, config, private)
        try:
            asyncio.run(application.serve_until_ended(repository, config, private))
        finally:
            application.disconnect(args.address)
    except PrivacyError as error:
        return str(error)
    finally:
        private.remove()
    return None


if __name__ == "__main__":
    sys.exit(main())
