"""The training loop: one configuration file, one folder, resumable.

Usage: python3 -m training.train CONFIG.yaml --data FOLDER [FOLDER …] --out FOLDER [--device cuda] [--resume]
       torchrun --nproc_per_node 2 -m training.train …    on several GPUs, with the same batches

`--set optimizer.muon_lr=0.03` changes one setting; `--evaluate FOLDER` measures bits per byte at the end.
`--start-from FOLDER` goes on from a model folder, whose sizes then replace the configuration's. When an earlier run made it,
`--set skip_batches=N` leaves out the N batches that it used, and `decay_from=1` keeps the rate constant for a later one.
`--later 500:FOLDER` adds token shards at step 500 and waits for the folder when it is not there yet. A number of steps written
to OUT/steps while a run goes on replaces its budget, so that it ends in time with its schedule whole.
Writes OUT/latest.pt (checkpoint), OUT/log.jsonl (one line every `log_every` steps) and OUT/summary.json at the end.
A run has a budget, in steps or in seconds of training; the schedule is a function of the share of it that is used,
so a time budget ends with the learning rate at its floor on any machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from export.safetensors_file import write_safetensors
from export.to_safetensors import load_bundle
from mta.config import ConfigError, ModelConfig, config_from_mapping, config_to_mapping, model_config_from_bundle
from mta.fast_attention import use_fast_attention
from mta.program import run_program, usable_device
from mta.transformer import Transformer
from training.checkpoint import load_checkpoint, save_checkpoint
from training.data import ShardError, WindowSampler, gather_windows, read_streams
from training.evaluate import evaluate_folder
from training.optimizer import KERNEL_NAMES, Optimizer, OptimizerConfig
from training.processes import Processes
from training.toy import ToyConfig, ToySource


class TrainingError(ValueError):
    """Training that cannot go on, with the step and the last good checkpoint."""


# Which parameters each choice of `trains` leaves free; the others keep their values.
TRAINED_PARTS: Dict[str, Callable[[str], bool]] = {
    "all": lambda name: True,
    "blocks": lambda name: name not in ("tok_embeddings.weight", "output.weight"),
    "kernels": lambda name: KERNEL_NAMES.search(name) is not None,
}


@dataclass(frozen=True)
class PhaseConfig:
    """A part of the run: up to `until` (share of the budget), windows of `seqlen`, `batch_size` of them a step.

    `micro_batch` of them go through the model at a time, all when absent; it decides about memory, not about the result.
    """

    until: float
    seqlen: int
    batch_size: int
    micro_batch: Optional[int] = None


@dataclass(frozen=True)
class BudgetConfig:
    """Exactly one of the two is set."""

    steps: Optional[int] = None
    seconds: Optional[float] = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.seconds is None):
            raise ConfigError("budget needs exactly one of steps and seconds.")


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on besides the data files and the device."""

    name: str
    model: ModelConfig
    phases: Tuple[PhaseConfig, ...]
    budget: BudgetConfig
    begin_token_id: int
    mix: Dict[str, float] = field(default_factory=dict)
    toy: Optional[ToyConfig] = None
    start_from: Optional[str] = None
    trains: str = "all"
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    warmup_steps: int = 60
    decay_from: float = 0.4
    lr_floor: float = 0.01
    seed: int = 1
    skip_batches: int = 0
    fast_attention: bool = True
    compile: bool = True
    compile_blocks: bool = False
    kernel_snapshots: int = 0
    log_every: int = 20
    checkpoint_every_s: float = 120.0

    def __post_init__(self) -> None:
        if bool(self.mix) == (self.toy is not None):
            raise ConfigError("A configuration needs exactly one of mix (token streams) and toy.")
        if self.skip_batches < 0:
            raise ConfigError(f"skip_batches is {self.skip_batches}; it must be 0 or the number of batches that an earlier run has used.")
        if self.trains not in TRAINED_PARTS:
            raise ConfigError(f'trains is "{self.trains}"; it must be one of {", ".join(TRAINED_PARTS)}.')
        if not self.phases or self.phases[-1].until != 1.0:
            raise ConfigError("phases must not be empty and the last must have until: 1.0.")
        for phase in self.phases:
            if phase.micro_batch is not None and (phase.micro_batch < 1 or phase.batch_size % phase.micro_batch):
                raise ConfigError(f"A phase has micro_batch {phase.micro_batch}; it must divide batch_size {phase.batch_size}.")
            if phase.seqlen > self.model.max_seqlen:
                raise ConfigError(f"A phase has seqlen {phase.seqlen}; model.max_seqlen is {self.model.max_seqlen}.")


def load_config(path: Path, start_from: Optional[Path] = None) -> TrainConfig:
    """Read a YAML file strictly: a misspelt key is an error that names it. `start_from` is a folder that gives the model."""
    try:
        mapping = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {path}: it is not valid YAML ({error}).") from error
    if not isinstance(mapping, dict):
        raise ConfigError(f"{path} holds {type(mapping).__name__}; expected settings by name.")
    if start_from is not None:
        mapping = {**mapping, "start_from": str(start_from), "model": config_to_mapping(model_config_from_bundle(start_from))}
    return config_from_mapping(TrainConfig, mapping)


def with_settings(config: TrainConfig, settings: Sequence[str]) -> TrainConfig:
    """The configuration with `key.of.setting=value` replaced; values are read as in the YAML file."""
    mapping = config_to_mapping(config)
    for setting in settings:
        path, separator, value = setting.partition("=")
        if not separator:
            raise ConfigError(f'--set "{setting}" is not of the form KEY=VALUE.')
        place, *rest = path.split(".")
        section = mapping
        while rest:
            section = section.setdefault(place, {}) if isinstance(section, dict) else None
            place, *rest = rest
        try:
            section[place] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f'--set "{setting}" is not valid YAML ({error}).') from error
        except TypeError as error:  # the section is a list or a value
            raise ConfigError(f'--set "{setting}" names a setting inside one that has none.') from error
    return config_from_mapping(TrainConfig, mapping)


def lr_scale(config: TrainConfig, step: int, progress: float) -> float:
    """Linear warm-up by steps, flat, then linear to `lr_floor` from `decay_from` of the budget on; never at 1."""
    decay = 1.0 if progress <= config.decay_from else (1.0 - progress) / (1.0 - config.decay_from)
    return min(1.0, (step + 1) / max(1, config.warmup_steps)) * max(config.lr_floor, decay)


def make_loss(model: Transformer, device_type: str, compiles: bool = False, by_block: bool = False) -> Callable[[Tensor, Tensor], Tensor]:
    """Mean cross-entropy in nats; bf16 matrix products on a GPU, softmax and norms in float32.

    With `compiles`, torch.compile makes one graph of it, or with `by_block` one of a block, used for all blocks of its kind,
    and one of the output: a deep model then compiles in seconds instead of minutes.
    """

    def cross_entropy(hidden: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(model.logits(hidden).float().flatten(0, 1), targets.flatten())

    if compiles and by_block:
        cross_entropy = torch.compile(cross_entropy, dynamic=False)
        for block in model.layers:
            block.compile(dynamic=False)

    def loss(tokens: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(device_type, dtype=torch.bfloat16, enabled=device_type == "cuda"):
            return cross_entropy(model.hidden(tokens), targets)

    return torch.compile(loss, dynamic=False) if compiles and not by_block else loss


WAIT_FOR_SHARDS_S = 900.0


class TextSource:
    """Windows of token streams, gathered on the device."""

    def __init__(self, config: TrainConfig, folders: Sequence[Path], device: torch.device) -> None:
        self.begin_token_id = config.begin_token_id
        streams = read_streams(folders, config.model.vocab_size)
        self.sampler = WindowSampler(streams, config.mix, config.phases[0].seqlen, config.seed)
        # int32 on the device: 100 million tokens take 0.4 GB, and a batch is one gather.
        self.joined = torch.from_numpy(self.sampler.joined.astype("int32")).to(device)

    def add(self, streams: Dict[str, np.ndarray]) -> None:
        """More text for the streams."""
        self.sampler.add(streams)
        self.joined = torch.from_numpy(self.sampler.joined.astype("int32")).to(self.joined.device)

    def batch(self, batch_size: int) -> Tuple[Tensor, Tensor]:
        """Inputs and targets, [batch, window]."""
        starts = torch.from_numpy(self.sampler.next_starts(batch_size)).to(self.joined.device)
        return gather_windows(self.joined, starts, self.sampler.window, self.begin_token_id)

    def state(self) -> dict:
        return self.sampler.state()

    def restore(self, state: dict) -> None:
        self.sampler.restore(state)


def wait_for_streams(folder: Path, vocab_size: int, limit_s: float) -> Dict[str, np.ndarray]:
    """The token streams of a folder, as soon as it is there. Raises ShardError when it does not come."""
    deadline = time.monotonic() + limit_s
    while not folder.is_dir():
        if time.monotonic() > deadline:
            raise ShardError(f"There is still no folder {folder} after {limit_s:.0f} s; --later names token shards that another program puts there.")
        time.sleep(0.5)
    return read_streams([folder], vocab_size)


def read_beside(folder: Path, vocab_size: int) -> Future:
    """The streams of a folder that is complete when it has its name, read while training goes on; a run that fails does not wait for it."""
    result: Future = Future()

    def read() -> None:
        try:
            result.set_result(wait_for_streams(folder, vocab_size, WAIT_FOR_SHARDS_S))
        except Exception as error:  # raised where the result is used
            result.set_exception(error)

    Thread(target=read, daemon=True).start()
    return result


class Trainer:
    """One run: model, optimiser, sampler, clock; `run()` does the work."""

    def __init__(
        self, config: TrainConfig, data_folders: Sequence[Path], out: Path, device: str, resume: bool, later: Sequence[Tuple[int, Path]] = ()
    ) -> None:
        self.n_steps = config.budget.steps
        self.later = [(step, read_beside(folder, config.model.vocab_size)) for step, folder in sorted(later)]
        self.config, self.out = config, Path(out)
        self.processes = Processes(torch.device(device))
        self.device = self.processes.device
        if self.processes.size > 1:
            self._check_shares()
        self.out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.model = Transformer(config.model)
        if config.start_from is None:
            self.model.init_weights(config.seed)
        else:
            self.model.load_state_dict(load_bundle(config.start_from).state_dict())
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(TRAINED_PARTS[config.trains](name))
        self.model.to(self.device)
        if config.fast_attention:
            use_fast_attention(self.model, "triton" if self.device.type == "cuda" else "shifted")
        self.optimizer = Optimizer(self.model, config.optimizer)
        self.phase_idx = 0
        if config.toy is not None:
            self.source = ToySource(config.toy, config.seed, self.device)
        else:
            self.source = TextSource(config, data_folders, self.device)
        for _ in range(config.skip_batches):
            self.source.batch(config.phases[0].batch_size)
        self.step, self.tokens_seen, self.trained_s = 0, 0, 0.0
        self.curve: List[Tuple[int, float]] = []
        if resume:
            self._restore()
        compiled = config.compile and hasattr(torch, "compile")
        self.loss = make_loss(self.model, self.device.type, compiled, config.compile_blocks)

    def _check_shares(self) -> None:
        if self.config.budget.steps is None:
            raise ConfigError("Several processes need a budget in steps: their clocks differ.")
        for phase in self.config.phases:
            if phase.batch_size % self.processes.size:
                raise ConfigError(f"A phase has batch_size {phase.batch_size}, which {self.processes.size} processes cannot share.")

    def progress(self) -> float:
        """Share of the budget used, 0 to 1."""
        used = self.step / self.n_steps if self.n_steps is not None else self.trained_s / self.config.budget.seconds
        return min(1.0, used)

    def run(self, stop_after_steps: Optional[int] = None, stop_after_s: float = math.inf) -> dict:
        """Train until the budget is used, for so many more steps, or for so long: `--resume` goes on. Returns the summary."""
        last_save = clock = started = self._clock()
        n_steps_at: Counter = Counter()
        stop_at = None if stop_after_steps is None else self.step + stop_after_steps
        with open(self.out / "log.jsonl" if self.processes.is_first else os.devnull, "a", encoding="utf-8") as log:
            self._read_n_steps()
            while self.progress() < 1.0 and self.step != stop_at:
                phase = self._phase()
                self._add_later()
                tokens, targets = self.processes.share(self.source.batch(phase.batch_size))
                self.model.tables(phase.seqlen, tokens.device)  # made outside the compiled graph
                self._keep_kernels()
                scale = lr_scale(self.config, self.step, self.progress())
                loss = self._backward(tokens, targets, phase.micro_batch or phase.batch_size)
                self.processes.average_gradients(self.optimizer.parameters)
                norm = self.optimizer.step(scale)
                self.step += 1
                self.tokens_seen += targets.numel() * self.processes.size
                is_logged = self.step % self.config.log_every == 0
                if is_logged:
                    self._log(log, loss.item(), norm.item(), scale, phase)
                now = self._clock()
                n_steps_at[phase.seqlen] += 1
                if n_steps_at[phase.seqlen] > 2:  # the first ones compile; that is not training time
                    self.trained_s += now - clock
                clock = now
                if not is_logged:
                    continue
                if self.processes.from_first(now - started > stop_after_s):
                    break
                self._read_n_steps()
                if now - last_save > self.config.checkpoint_every_s:
                    self.save()
                    last_save = clock = self._clock()
        self._keep_kernels()
        self.save()
        return self._summary()

    def _add_later(self) -> None:
        while self.later and self.later[0][0] <= self.step:
            self.source.add(self.later.pop(0)[1].result())

    def _read_n_steps(self) -> None:
        """Take the number of steps from OUT/steps, when it has a number that is not over yet."""
        if self.n_steps is None:
            return
        file, n_steps = self.out / "steps", 0
        if self.processes.is_first and file.is_file():
            text = file.read_text().strip()
            n_steps = int(text) if text.isdigit() and int(text) >= self.step else 0
            if not n_steps:
                print(f'{file} holds "{text}"; it must be a number of steps, at least {self.step}. The run keeps its {self.n_steps} steps.', flush=True)
        self.n_steps = int(self.processes.from_first(n_steps)) or self.n_steps

    def _backward(self, tokens: Tensor, targets: Tensor, micro_batch: int) -> Tensor:
        """Add the batch's gradient to the parameters, so many windows at a time; returns the mean loss."""
        parts = list(zip(tokens.split(micro_batch), targets.split(micro_batch)))
        total = torch.zeros((), device=tokens.device)
        for part in parts:
            loss = self.loss(*part) / len(parts)
            loss.backward()
            total += loss.detach()
        return total

    def _keep_kernels(self) -> None:
        """Write the kernels alone, at the start and whenever another share of the budget is used, for a look at them over training."""
        if not self.config.kernel_snapshots or not self.processes.is_first:
            return
        due = int(self.progress() * self.config.kernel_snapshots + 1e-9)
        folder = self.out / "kernels"
        if len(list(folder.glob("*.safetensors"))) > due:
            return
        kernels = {name: p.float() for name, p in self.model.named_parameters() if KERNEL_NAMES.search(name)}
        if kernels:
            folder.mkdir(exist_ok=True)
            write_safetensors(folder / f"step-{self.step:06d}.safetensors", kernels)

    def save(self) -> None:
        """Write the checkpoint, unless a weight has gone bad since the last look at the loss."""
        if not all(bool(torch.isfinite(p).all()) for p in self.model.parameters()):
            self._stop_for(float("nan"))
        if not self.processes.is_first:
            return
        save_checkpoint(self.out, {
            "config": config_to_mapping(self.config), "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(), "source": self.source.state(), "phase_idx": self.phase_idx,
            "progress": {"steps": self.step, "tokens_seen": self.tokens_seen, "train_seconds": round(self.trained_s, 1)},
            "curve": self.curve, "rng": torch.get_rng_state(),
        })  # fmt: skip

    def _restore(self) -> None:
        content = load_checkpoint(self.out)
        if content is None:
            return
        if config_from_mapping(ModelConfig, content["config"]["model"]) != self.config.model:
            raise ConfigError(f"The checkpoint in {self.out} has other model sizes than the configuration; use a new folder.")
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.phase_idx, self.curve = content["phase_idx"], content["curve"]
        progress = content["progress"]
        self.step, self.tokens_seen, self.trained_s = progress["steps"], progress["tokens_seen"], progress["train_seconds"]
        self._add_later()
        self.source.restore(content["source"])
        torch.set_rng_state(content["rng"])

    def _phase(self) -> PhaseConfig:
        while self.progress() >= self.config.phases[self.phase_idx].until and self.phase_idx + 1 < len(self.config.phases):
            self.phase_idx += 1
            if isinstance(self.source, TextSource):
                self.source.sampler.set_window(self.config.phases[self.phase_idx].seqlen)
        return self.config.phases[self.phase_idx]

    def _log(self, log, loss: float, norm: float, scale: float, phase: PhaseConfig) -> None:
        if not math.isfinite(loss):
            self._stop_for(loss)
        self.curve.append((self.tokens_seen, round(loss, 4)))
        row = {"step": self.step, "tokens": self.tokens_seen, "loss": round(loss, 4), "grad_norm": round(norm, 4),
               "lr_scale": round(scale, 4), "seqlen": phase.seqlen, "trained_s": round(self.trained_s, 1)}  # fmt: skip
        log.write(json.dumps(row) + "\n")
        log.flush()
        if self.processes.is_first and self.step % (10 * self.config.log_every) == 0:
            print(json.dumps(row), flush=True)

    def _stop_for(self, loss: float) -> None:
        raise TrainingError(
            f"Training stopped at step {self.step}: the loss is {loss}. The last checkpoint in {self.out} is from before; "
            "lower the learning rates or max_grad_norm and resume."
        )

    def _clock(self) -> float:
        return time.monotonic()

    def _summary(self) -> dict:
        summary = {
            "name": self.config.name, "steps": self.step, "tokens_seen": self.tokens_seen,
            "train_seconds": round(self.trained_s), "tokens_per_second": round(self.tokens_seen / max(self.trained_s, 1e-9)),
            "parameters": self.model.n_parameters(), "trained_parameters": sum(p.numel() for p in self.optimizer.parameters),
            "seed": self.config.seed, "loss_curve": self.curve[:: max(1, len(self.curve) // 60)],
        }  # fmt: skip
        if isinstance(self.source, TextSource):
            summary["epochs"] = {name: round(value, 2) for name, value in self.source.sampler.epochs().items()}
        if self.processes.is_first:
            (self.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        return summary


def later_folder(text: str) -> Tuple[int, Path]:
    """STEP:FOLDER of the command line."""
    step, separator, folder = text.partition(":")
    if not separator or not step.isdigit() or not folder:
        raise argparse.ArgumentTypeError(f'"{text}" is not of the form STEP:FOLDER, as in 500:.cache/data/b.')
    return int(step), Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="folders of token shards; none for the toy task")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", type=usable_device)
    parser.add_argument("--seconds", type=float, help="replaces the configuration's budget")
    parser.add_argument("--steps", type=int, help="likewise")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--stop-after", type=float, default=math.inf, help="seconds after which this part of the run is saved and ends")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings to replace, as optimizer.muon_lr=0.03")
    parser.add_argument("--evaluate", type=Path, metavar="FOLDER", help="shards to measure bits per byte on at the end")
    parser.add_argument("--start-from", type=Path, metavar="FOLDER", help="model folder to go on from")
    parser.add_argument("--max-windows", type=int, help="of each stream in that evaluation")
    parser.add_argument("--later", type=later_folder, nargs="*", default=[], metavar="STEP:FOLDER", help="token shards to add at a step")
    args = parser.parse_args()
    settings = list(args.set)
    if args.steps is not None:
        settings.append(f"budget={{steps: {args.steps}}}")
    elif args.seconds is not None:
        settings.append(f"budget={{seconds: {args.seconds}}}")
    if args.seed is not None:
        settings.append(f"seed={args.seed}")
    config = with_settings(load_config(args.config, args.start_from), settings)
    torch.set_float32_matmul_precision("high")
    trainer = Trainer(config, args.data, args.out, args.device, args.resume, args.later)
    summary = trainer.run(stop_after_s=args.stop_after)
    if trainer.processes.is_first:
        if args.evaluate is not None:
            scores = evaluate_folder(trainer.model.eval(), args.evaluate, config.begin_token_id, config.phases[-1].seqlen,
                                     args.max_windows, autocast=trainer.device.type == "cuda")  # fmt: skip
            summary["bits_per_byte"] = {name: score.bits_per_byte for name, score in scores.items()}
        print(json.dumps({k: v for k, v in summary.items() if k != "loss_curve"}))
    trainer.processes.end()


if __name__ == "__main__":
    run_program(main)
