"""The kernels that a run kept on its way, as one file: every kernel and head mixing with one more axis in front, the snapshot.

Usage: python3 -m export.kernel_history RUN/kernels --out FILE.safetensors

RUN is a folder of training.train with `kernel_snapshots` set. Beside the kernels, by their names in the model, the file has
`steps`, the step of each snapshot; the first is the start.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Dict

import torch

from export.safetensors_file import read_safetensors, write_safetensors
from mta.program import run_program


def kernel_history(folder: Path) -> Dict[str, torch.Tensor]:
    """All snapshots of a folder, stacked. Raises ValueError when there are none or they are not of one model."""
    paths = sorted(folder.glob("step-*.safetensors"))
    if not paths:
        raise ValueError(f"There are no step-*.safetensors in {folder}; train with kernel_snapshots set.")
    snapshots = [read_safetensors(path) for path in paths]
    for path, snapshot in zip(paths, snapshots):
        if {k: v.shape for k, v in snapshot.items()} != {k: v.shape for k, v in snapshots[0].items()}:
            raise ValueError(f"{path} has other kernels than {paths[0].name}; keep each run in a folder of its own.")
    steps = torch.tensor([int(path.stem.split("-")[1]) for path in paths])
    return {"steps": steps, **{name: torch.stack([snapshot[name] for snapshot in snapshots]) for name in snapshots[0]}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    history = kernel_history(args.folder)
    write_safetensors(args.out, history)
    print(f"{args.out}: {len(history['steps'])} snapshots of {len(history) - 1} tensors, steps {history['steps'][0]} to {history['steps'][-1]}")


if __name__ == "__main__":
    run_program(main)
