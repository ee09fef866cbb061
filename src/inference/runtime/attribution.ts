/**
 * The sessions that split rows of a model over heads and source tokens (graph/attribution). Always on the CPU: a row is
 * little work, and what a run keeps can be read from any provider's memory.
 */

import { isDeepStrictEqual } from 'node:util';
import {
  attributionGraph,
  contributionGraph,
  copyGraph,
  finalDirectionGraph,
  tokenDirectionsGraph,
  unembeddingGraph,
} from '../../graph/attribution';
import { planLayer } from '../../graph/layerPlan';
import type { KernelWeights } from '../../shared/kernels';
import type { Quantity } from '../../shared/relevance';
import { Failure } from '../../shared/tools/failure';
import { type ModelFolder, mappedFromBytes } from '../model/folder';
import { bandAt, type LayerRows } from './bands';
import { cached } from './cached';
import { bandFeeds, type RotaryRows, rotaryRows } from './feeds';
import { folderSession } from './folderSession';
import { kernelFeeds } from './kernelFeeds';
import type { LayerRuntime } from './layerRuntime';
import type { Session, Value, Values } from './session';
import { int64 } from './values';

/** What attention adds to one row of the residual stream, along a direction. */
export interface SplitRow {
  /** Per head and source token, [head, row + 1]. */
  readonly cells: Float32Array;
  /** What they would add with a weight of 1, [head, row + 1]. */
  readonly factors: Float32Array;
  /** What biases add. */
  readonly bias: number;
  /** The whole addition to the stream, [D]. */
  readonly added: Float32Array;
}

/** Numbers of an answer that are computed at once, at most. */
const maxCells = 2 ** 23;

/** What makes a logit from the final norm's output: a row of a matrix, [D], and a bias. */
export interface Unembedding {
  readonly row: Float32Array | Float64Array;
  readonly bias: number;
}

/** Rows of the unembedding that are summed at a time. */
const rowsAtOnce = 4096;

/** Tokens of a text that a head's copying is compared over, at most. */
const maxCompared = 256;

/** The distinct tokens of a text in the order of their first places, evenly thinned out to `maxCompared`. */
function tokensToCompare(ids: ArrayLike<number>): number[] {
  const distinct = [...new Set(Array.from(ids))];
  const n = Math.min(maxCompared, distinct.length);
  return Array.from({ length: n }, (_, i) => distinct[Math.floor((i * distinct.length) / n)]!);
}

export class Attribution {
  private readonly sessions = new Map<string, Promise<Session>>();
  private readonly means = new Map<'unembedding', Promise<Unembedding>>();
  private rotary: RotaryRows | undefined;
  private rotated: readonly unknown[] = [];
  private directions: { readonly key: string; readonly value: Value } | undefined;

  constructor(private readonly folder: ModelFolder) {}

  /** @param direction in the residual stream, [D]. */
  async splitRow(
    layerIdx: number,
    rows: LayerRows,
    row: number,
    direction: Float32Array,
    kernels: readonly KernelWeights[],
  ): Promise<SplitRow> {
    const { config, weights } = this.folder;
    const session = await this.session(`split/${layerIdx}`, () => attributionGraph(config, layerIdx, weights));
    const feeds = this.feeds(layerIdx, rows, row, row + 1, kernels);
    const { cells, factors, bias, added } = await session.run({ ...feeds, direction: vector(direction) });
    return {
      cells: cells!.data as Float32Array,
      factors: factors!.data as Float32Array,
      bias: Number(bias!.data[0]),
      added: added!.data as Float32Array,
    };
  }

  /**
   * Rows [start, end) of what the weights of a layer's last stage move.
   * @returns shape [head, row, key] with the keys before `end`; later ones than the row are 0.
   */
  async contributions(
    layerIdx: number,
    rows: LayerRows,
    quantity: Exclude<Quantity, 'weight'>,
    [start, end]: readonly [number, number],
    kernels: readonly KernelWeights[],
  ): Promise<Float32Array> {
    const { config, weights } = this.folder;
    const { nHeads, headDim, gate } = planLayer(config, layerIdx);
    const session = await this.session(`contribution/${layerIdx}`, () => contributionGraph(config, layerIdx, weights));
    const ofRow = end * nHeads * (gate === 'full' ? headDim : 1);
    const nAtOnce = Math.max(1, Math.floor(maxCells / ofRow));
    const nRows = end - start;
    const all = new Float32Array(nHeads * nRows * end);
    for (let first = start; first < end; first += nAtOnce) {
      const stop = Math.min(end, first + nAtOnce);
      const fetched = await session.run(this.feeds(layerIdx, rows, first, stop, kernels), [quantity]);
      const data = fetched[quantity]!.data as Float32Array;
      for (let i = 0; i < nHeads * (stop - first); i++) {
        const [head, row] = [Math.floor(i / (stop - first)), first - start + (i % (stop - first))];
        all.set(data.subarray(i * stop, (i + 1) * stop), (head * nRows + row) * end);
      }
    }
    return all;
  }

  /**
   * How far each head of a layer raises the logit of the token at a key, when it attends there, above those of other tokens
   * of the text: r[head, key] of shared/headMeasures.
   * @param ids of the run's tokens. @returns shape [head, key]; NaN for keys whose token was left out.
   */
  async copies(
    layerIdx: number,
    rows: LayerRows,
    ids: ArrayLike<number>,
    kernels: readonly KernelWeights[],
  ): Promise<Float32Array> {
    const { config, weights } = this.folder;
    const tokens = tokensToCompare(ids);
    const places = new Map(tokens.map((id, place) => [id, place]));
    const directions = await this.tokenDirections(tokens);
    const session = await this.session(`copy/${layerIdx}`, () => copyGraph(config, layerIdx, weights));
    const own = Array.from(ids, id => places.get(id) ?? 0);
    const feeds = this.feeds(layerIdx, rows, ids.length - 1, ids.length, kernels);
    const { below } = await session.run({ ...feeds, directions, own: int64(own, [own.length]) });
    return (below!.data as Float32Array).map((count, at) =>
      places.has(ids[at % ids.length]!) ? (2 * count) / (tokens.length - 1) - 1 : Number.NaN,
    );
  }

  /** Those of the last text are kept: every layer asks for the same ones. */
  private async tokenDirections(ids: readonly number[]): Promise<Value> {
    const { config, weights } = this.folder;
    const key = ids.join();
    if (this.directions?.key !== key) {
      const session = await this.session('token_directions', () => tokenDirectionsGraph(config, weights));
      const { directions } = await session.run({ ids: int64(ids, [ids.length]) });
      this.directions = { key, value: directions! };
    }
    return this.directions.value;
  }

  /**
   * @param hidden the row of the stream after the last layer, [1, 1, D]; @param unembedding what reads the logit, [D].
   * @returns what reads it from the stream, [D], and what a bias of the final norm adds.
   */
  async finalDirection(
    hidden: Value,
    unembedding: Float32Array,
  ): Promise<{ readonly direction: Float32Array; readonly bias: number }> {
    const { config, weights } = this.folder;
    const session = await this.session('final_direction', () => finalDirectionGraph(config, weights));
    const { direction, bias } = await session.run({ hidden, unembedding: vector(unembedding) });
    return { direction: direction!.data as Float32Array, bias: Number(bias!.data[0]) };
  }

  /** What makes a token's logit from the final norm's output. */
  async unembedding(id: number): Promise<Unembedding> {
    const { config, weights } = this.folder;
    const session = await this.session('unembedding', () => unembeddingGraph(config, weights));
    return sumOfRows(session, [id]);
  }

  /** The mean over the vocabulary. */
  meanUnembedding(): Promise<Unembedding> {
    return cached(this.means, 'unembedding', () => this.computeMean());
  }

  async release(): Promise<void> {
    const all = [...this.sessions.values()];
    this.sessions.clear();
    for (const session of await Promise.allSettled(all)) {
      if (session.status === 'fulfilled') await session.value.release();
    }
  }

  private async computeMean(): Promise<Unembedding> {
    const { config, weights } = this.folder;
    const session = await this.create(unembeddingGraph(config, weights));
    const row = new Float64Array(config.dim);
    let bias = 0;
    for (let first = 0; first < config.vocab_size; first += rowsAtOnce) {
      const n = Math.min(rowsAtOnce, config.vocab_size - first);
      const sum = await sumOfRows(
        session,
        Array.from({ length: n }, (_, i) => first + i),
      );
      for (const [i, value] of sum.row.entries()) row[i]! += value / config.vocab_size;
      bias += sum.bias / config.vocab_size;
    }
    await session.release();
    return { row, bias };
  }

  private feeds(
    layerIdx: number,
    rows: LayerRows,
    start: number,
    end: number,
    kernels: readonly KernelWeights[],
  ): Values {
    const plan = planLayer(this.folder.config, layerIdx);
    const nTokens = rows.hidden.dims[1]!;
    const rotated = [plan.rotary, plan.queryScaling];
    if (this.rotary?.nTokens !== nTokens || !isDeepStrictEqual(this.rotated, rotated)) {
      this.rotary = rotaryRows(plan, nTokens);
      this.rotated = rotated;
    }
    return { ...bandFeeds(plan, rows, bandAt(plan, start, end), this.rotary), ...kernelFeeds(plan, kernels) };
  }

  private session(key: string, graph: () => Uint8Array): Promise<Session> {
    return cached(this.sessions, key, () => this.create(graph()));
  }

  private create(graph: Uint8Array): Promise<Session> {
    return folderSession(this.folder, graph, {
      provider: 'cpu',
      mapsWeights: this.folder.sizeBytes > mappedFromBytes,
      nThreads: 1, // a row is so little work that threads only wait for each other
    });
  }
}

async function sumOfRows(session: Session, ids: readonly number[]): Promise<Unembedding> {
  const { rows, bias } = await session.run({ ids: int64(ids, [ids.length]) });
  return { row: rows!.data as Float32Array, bias: Number(bias!.data[0]) };
}

/** Whether the weights can be read part by part. */
export function hasWeightsHere({ folder, provider }: LayerRuntime): boolean {
  return !folder.view && provider !== 'remote';
}

/** @param what cannot be done. @throws Failure `cannot-explain` where the weights cannot be read part by part. */
export function checkWeightsAreHere({ folder, provider }: LayerRuntime, what: string): void {
  const { name } = folder.summary;
  const fail = (why: string) => new Failure('cannot-explain', `Cannot ${what} "${name}": ${why}`, ['selectModel']);
  if (folder.view) throw fail('ONNX files are view-only. Pick a model with safetensors weights.');
  if (provider === 'remote') {
    throw fail('a server runs it, and its weights are not here. Pick a model folder on this machine.');
  }
}

/** What a layer's rows can be computed again from, where it can be read. */
export async function fetchRows(
  runtime: Pick<LayerRuntime, 'fetch'>,
  { hidden, keys, values }: LayerRows,
): Promise<LayerRows> {
  const [h, k, v] = await Promise.all([hidden, keys, values].map(value => runtime.fetch(value)));
  return { hidden: h!, keys: k!, values: v! };
}

function vector(data: Float32Array): Value {
  return { type: 'float32', data, dims: [data.length] };
}
