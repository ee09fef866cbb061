/** Time that Hugging Face's library takes with PyTorch for a model of a shape and all its attention maps. */

import { spawnSync } from 'node:child_process';
import type { LlamaConfig } from './randomModel';

export interface EagerRun {
  /** Where it ran and in which precision, with versions. */
  readonly what: string;
  /** Median of warm runs by length; lengths that memory was too small for are missing. */
  readonly ms: ReadonlyMap<number, number>;
}

const program = `
import json, os, sys, time
import torch, transformers
config, lengths = json.loads(sys.argv[1]), json.loads(sys.argv[2])
on_gpu = torch.cuda.is_available()
device, dtype, name = ("cuda", torch.float16, "fp16") if on_gpu else ("cpu", torch.float32, "fp32")
torch.set_default_dtype(dtype)
with torch.device(device), torch.no_grad():
    settings = transformers.AutoConfig.for_model(**config)
    model = transformers.AutoModelForCausalLM.from_config(settings, attn_implementation="eager").eval()
    where = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"
    what = f"PyTorch {torch.__version__} eager {name} with attentions ({where}, transformers {transformers.__version__})"
    free = torch.cuda.mem_get_info()[0] if on_gpu else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    ms = {}
    for length in lengths:
        n_maps = config["num_hidden_layers"] * config["num_attention_heads"]
        if n_maps * length**2 * dtype.itemsize > free: continue
        ids = torch.arange(length)[None] * 7919 % config["vocab_size"]
        times = []
        try:
            for _ in range(6 if on_gpu else 3):
                start = time.perf_counter()
                out = model(ids, output_attentions=True)
                if on_gpu: torch.cuda.synchronize()
                times.append(1000 * (time.perf_counter() - start))
                del out
        except torch.OutOfMemoryError:
            break
        ms[length] = sorted(times[1:])[len(times[1:]) // 2]
        print(json.dumps({"what": what, "ms": ms}), flush=True)
`;

const maxMs = 300_000;

/**
 * Lengths whose maps do not fit into free memory are left out.
 * @returns null where there is no Python (`MTA_PYTHON`, else `python3`) with both libraries, or no length ends within minutes.
 */
export function runEager(config: LlamaConfig, lengths: readonly number[]): EagerRun | null {
  const python = process.env['MTA_PYTHON'] ?? 'python3';
  const given = ['-c', program, JSON.stringify(config), JSON.stringify(lengths)];
  const { stdout } = spawnSync(python, given, { encoding: 'utf8', timeout: maxMs });
  // A line after each length: where it ends early, the lengths before are known.
  const last = stdout?.split('\n').findLast(line => line.startsWith('{') && line.endsWith('}'));
  if (!last) return null;
  const { what, ms } = JSON.parse(last) as { what: string; ms: Record<string, number> };
  return { what, ms: new Map(Object.entries(ms).map(([length, time]) => [Number(length), time])) };
}
