/** Runs a graph with every intermediate as an output (`tracedBlockGraph`, `tracedAttentionGraph`) band by band. */

import type { LayerPlan } from '../../graph/layerPlan';
import type { ModelConfig } from '../../graph/modelConfig';
import { stages } from '../../shared/operators';
import { bandAt, emptyRows, inBands } from './bands';
import { bandFeeds, rotaryRows } from './feeds';
import type { Session, Value, Values } from './session';
import { emptyValue, writeRows } from './values';

export interface TracedRun {
  readonly config: ModelConfig;
  readonly plan: LayerPlan;
  /** [B, T, D] */
  readonly hidden: Value;
  readonly kernels: Values;
  /** Of packed documents; one document when absent. */
  readonly docLengths?: readonly number[] | undefined;
  /** Rows of a band; all at once when absent. */
  readonly nRows?: number | undefined;
}

/** @returns every output for all rows, as if there were no bands. */
export async function runTraced(session: Session, run: TracedRun): Promise<Values> {
  const { plan, hidden, kernels, docLengths } = run;
  const nTokens = hidden.dims[1]!;
  const rotary = rotaryRows(plan, nTokens);
  const rows = emptyRows(plan, hidden);
  const all: Record<string, Value> = {};
  await inBands({ start: 0, end: nTokens }, run.nRows ?? nTokens, async (start, end) => {
    const band = bandAt(plan, start, end);
    const fetched = await session.run({ ...bandFeeds(plan, rows, band, rotary, docLengths), ...kernels });
    writeRows(rows.keys, band.first, fetched['keys']!);
    writeRows(rows.values, band.first, fetched['values']!);
    for (const [name, value] of Object.entries(fetched)) {
      if (name === 'k' || name === 'v')
        all[name] = value; // the last band has them all
      else if (name === 'keys' || name === 'values') all[name] = rows[name];
      else if (perHead.has(name)) write(all, name, value, [0, 1], nTokens, start);
      else write(all, name, value, [0], nTokens, start);
    }
  });
  return all;
}

/** Outputs of shape [B, H, N, ...]; the others are [B, N, ...]. */
const perHead: ReadonlySet<string> = new Set([...stages, 'q', 'attn_v']);

/** @param before axes before the rows. */
function write(
  all: Record<string, Value>,
  name: string,
  value: Value,
  before: readonly number[],
  nTokens: number,
  start: number,
): void {
  const lead = before.map(axis => value.dims[axis]!);
  const [nRows = 0, ...rest] = value.dims.slice(before.length);
  const isMap = (stages as readonly string[]).includes(name);
  const nBatch = lead.reduce((product, n) => product * n, 1);
  const width = isMap ? nTokens : rest.reduce((product, n) => product * n, 1);
  all[name] ??= emptyValue([...lead, nTokens, ...(isMap ? [nTokens] : rest)]);
  const into = { ...all[name], dims: [nBatch, nTokens, width] };
  const columns = value.data.length / nBatch / nRows;
  const rows = emptyValue([nBatch, nRows, width]);
  for (let row = 0; row < nBatch * nRows; row++) {
    const from = value.data.subarray(row * columns, (row + 1) * columns) as Float32Array;
    (rows.data as Float32Array).set(from, row * width);
  }
  writeRows(into, start, rows);
}
