/**
 * The sessions of one model on one execution provider: created on first use, one per layer; kernels that are not the
 * trained ones are fed.
 * Knows nothing of documents.
 */

import { LRUCache } from 'lru-cache';
import type { PatchedPart } from '../../graph/attentionGraph';
import { type ConvolutionForm, fedConvolution } from '../../graph/convolution';
import { type LayerPlan, planLayer, streamedStages } from '../../graph/layerPlan';
import {
  type BlockTaps,
  blockGraph,
  embedGraph,
  type FeedsOf,
  keptRowsGraph,
  knockOutFeeds,
  logitLensGraph,
  logitsGraph,
  logProbabilitiesGraph,
  noTaps,
  patchedBlockGraph,
  pooledGraph,
  predictionGraph,
  stagesGraph,
} from '../../graph/modelGraphs';
import { maxTableBytes } from '../../graph/outputHead';
import { dependsOnLength } from '../../graph/ropeScaling';
import type { TokenRange } from '../../shared/address';
import type { ExecutionProvider, LayerOverview, LocalProvider } from '../../shared/analysis';
import type { KernelHistory, KernelWeights } from '../../shared/kernels';
import { checkIds } from '../model/checkIds';
import { type ModelFolder, mappedFromBytes } from '../model/folder';
import {
  type Band,
  bandAt,
  emptyRows,
  inBands,
  type LayerRows,
  mostBandCells,
  mostBandRows,
  usualBandRows,
} from './bands';
import type { BlockOptions, BlockResult, LayerOptions } from './block';
import { cached } from './cached';
import { chooseConvolution } from './chooseConvolution';
import { bandFeeds, type RotaryRows, rotaryRows } from './feeds';
import { type FolderSessionOptions, folderSession } from './folderSession';
import { kernelFeeds, readKernels } from './kernelFeeds';
import { readKernelHistory } from './kernelHistory';
import { type Cut, cutHeads, partsOf, withoutCuts } from './knockOut';
import { LayerAccumulator } from './layerAccumulator';
import type { BlockRowsOptions, LayerRuntime, OverviewOptions, StageRowsOptions } from './layerRuntime';
import { emptyLensRows, type LensRows, writeLensRows } from './lensRows';
import { chooseBandRows, type RunSize } from './memory';
import { emptyPooledMap, quantize, writePooled } from './overviews';
import { emptyPrediction, type Prediction, writePrediction } from './prediction';
import type { Session, Value, Values } from './session';
import { emptyValue, int64, rowsOf, writeRows } from './values';

/** Sessions that answer single requests (one stage of one layer); the least recently used goes first. */
const maxDetailSessions = 24;

/** How one band of a layer is run. */
interface BandRun {
  readonly band: Band;
  readonly taps: BlockTaps;
  /** Feeds of the taps. */
  readonly extra?: Values;
  readonly kernels?: readonly KernelWeights[] | undefined;
  /** Edges knocked out in all rows of the band. */
  readonly cuts?: readonly Cut[];
}

/** How some rows of a layer are run. */
export interface RowsOptions extends LayerOptions {
  readonly cuts?: readonly Cut[] | undefined;
}

/** Other values in the place of one part of a layer, in several variants. */
interface BlockPatch {
  readonly part: PatchedPart;
  readonly places: readonly (readonly number[])[];
  /** As the part's own; null for zeros. */
  readonly values: Value | null;
}

export class ModelRuntime implements LayerRuntime {
  /** Embedding, blocks and head: what every run needs. */
  private readonly sessions = new Map<string, Promise<Session>>();
  private readonly details = new LRUCache<string, Promise<Session>>({
    max: maxDetailSessions,
    dispose: (session, _, reason) => {
      if (reason === 'evict') void session.then(old => old.release()).catch(() => {});
    },
  });
  private readonly kernels = new Map<number, Promise<readonly KernelWeights[]>>();
  /** By how a layer rotates. */
  private readonly rotary = new Map<string, RotaryRows>();
  private convolution: Promise<ConvolutionForm> | undefined;
  protected bandRows: number;
  /** How the graphs of closer looks are fed. */
  protected readonly feedsOf: FeedsOf | undefined = undefined;
  /** Of the overviews, used last at the end. */
  private blockSizes: number[] = [];

  constructor(
    readonly folder: ModelFolder,
    protected readonly localProvider: LocalProvider,
    private readonly nThreads: number,
    /** Rows that a layer computes at a time; fewer once memory ran out. */
    bandRows = mostBandRows(localProvider),
  ) {
    this.bandRows = bandRows;
  }

  get provider(): ExecutionProvider {
    return this.localProvider;
  }

  /** Rows of a band, see `chooseBandRows`. */
  rowsThatFit(size: RunSize, budgetBytes: number): number | undefined {
    return chooseBandRows(this.folder, size, budgetBytes, mostBandRows(this.provider));
  }

  async embed(ids: Int32Array): Promise<Value> {
    checkIds(ids, this.folder);
    const session = await this.session('embed', () => embedGraph(this.folder.config, this.folder.weights));
    return (await session.run({ ids: int64(Array.from(ids), [1, ids.length]) }))['hidden']!;
  }

  async fetch(value: Value): Promise<Value> {
    return value;
  }

  trainedKernels(layerIdx: number): Promise<readonly KernelWeights[]> {
    return cached(this.kernels, layerIdx, () => readKernels(this.folder, layerIdx));
  }

  kernelHistory(layerIdx: number): Promise<KernelHistory | null> {
    return readKernelHistory(this.folder, layerIdx);
  }

  /** Runs the layer band by band. */
  async block(layerIdx: number, hidden: Value, options: BlockOptions): Promise<BlockResult> {
    const { topK, blockSize, kernels, known, signal } = options;
    this.bandRows = options.bandRows ?? this.bandRows;
    const { config } = this.folder;
    const plan = planLayer(config, layerIdx);
    const nTokens = hidden.dims[1]!;
    const taps: BlockTaps = { overviews: streamedStages(plan), blockSize, topKeys: true };
    const start = known?.nRows ?? 0;
    const rows = emptyRows(plan, hidden);
    const accumulator = new LayerAccumulator(plan, nTokens, blockSize, topK);
    const out = emptyValue(hidden.dims);
    if (known) {
      const { layer, nRows } = known;
      writeRows(out, 0, rowsOf(layer.hidden, 0, nRows));
      writeRows(rows.keys, 0, rowsOf(layer.rows.keys, 0, nRows));
      writeRows(rows.values, 0, rowsOf(layer.rows.values, 0, nRows));
      await accumulator.takeOver(known);
    }
    await this.inBands(start, nTokens, signal, async (from, to) => {
      const band = bandAt(plan, from, to, blockSize);
      const top = { top_k: int64([Math.min(topK, to)], [1]) };
      const fetched = await this.runBlock(plan, rows, { band, taps, extra: top, kernels });
      writeRows(out, from, fetched['hidden_out']!);
      const [indices, weights] = [fetched['top_keys.indices']!, fetched['top_keys.weights']!];
      accumulator.add(band, indices, weights, stage => fetched[`pooled.${stage}`]!);
    });
    return { hidden: out, rows, ...accumulator.result() };
  }

  async bareBlock(layerIdx: number, hidden: Value, options: LayerOptions = {}): Promise<Value> {
    return (await this.plainBlock(layerIdx, hidden, options)).hidden;
  }

  async blockRows(
    layerIdx: number,
    hidden: Value,
    { stage, queries, ...options }: BlockRowsOptions,
  ): Promise<{ readonly hidden: Value; readonly rows: Float32Array }> {
    const { hidden: out, rows } = await this.plainBlock(layerIdx, hidden, options);
    const heads = Array.from({ length: this.folder.config.n_heads }, (_, headIdx) => headIdx);
    const [values] = await this.stageRows(layerIdx, rows, { stages: [stage], heads, queries, ...options });
    return { hidden: out, rows: values! };
  }

  async overview(layerIdx: number, rows: LayerRows, options: OverviewOptions): Promise<LayerOverview> {
    const { stage, blockSize, kernels, signal } = options;
    const { config, weights } = this.folder;
    const plan = planLayer(config, layerIdx);
    const nTokens = rows.hidden.dims[1]!;
    const map = emptyPooledMap(plan.nHeads, nTokens, blockSize);
    const graph = () => pooledGraph(config, layerIdx, stage, blockSize, weights, this.feedsOf);
    await this.inBands(0, nTokens, signal, async (from, to) => {
      const session = await this.detail(`overview/${layerIdx}/${stage}/${blockSize}`, graph);
      const band = bandAt(plan, from, to, blockSize);
      const fetched = await session.run(await this.blockFeeds(plan, rows, band, kernels));
      writePooled(map, band, fetched[`pooled.${stage}`]!);
    });
    return quantize(stage, map);
  }

  async stageRows(layerIdx: number, rows: LayerRows, options: StageRowsOptions): Promise<Float32Array[]> {
    const { stages, heads } = options;
    const [start, end] = options.queries;
    const plan = planLayer(this.folder.config, layerIdx);
    const nRows = end - start;
    const maps = stages.map(() => new Float32Array(heads.length * nRows * end));
    for (const { first, end: stop, cuts } of partsOf({ first: start, end }, options.cuts ?? [])) {
      await this.stageRowsOf(plan, rows, [first, stop], cuts, options, (from, to, fetched) => {
        for (const [i, stage] of stages.entries()) {
          const data = fetched[stage]!.data as Float32Array;
          for (let row = 0; row < heads.length * (to - from); row++) {
            const head = Math.floor(row / (to - from));
            const query = from - start + (row % (to - from));
            maps[i]!.set(data.subarray(row * to, (row + 1) * to), (head * nRows + query) * end);
          }
        }
      });
    }
    return maps;
  }

  /** Rows of stages, all with the same edges cut, some at a time. */
  private async stageRowsOf(
    plan: LayerPlan,
    rows: LayerRows,
    [start, end]: readonly [number, number],
    cuts: readonly Cut[],
    { stages, heads, kernels, signal }: StageRowsOptions,
    write: (from: number, to: number, fetched: Values) => void,
  ): Promise<void> {
    const { config, weights } = this.folder;
    const { layerIdx } = plan;
    const cut = cutHeads(plan, cuts);
    const graph = () => stagesGraph(config, layerIdx, stages, weights, cut ? knockOutFeeds(cut) : this.feedsOf);
    await this.inBands(start, end, signal, async (from, to) => {
      const session = await this.detail(`stages/${layerIdx}/${stages.join()}/${cut ?? ''}`, graph);
      const band = bandAt(plan, from, to);
      const feeds = await this.blockFeeds(plan, rows, band, kernels);
      const allowed = cuts.length > 0 ? { allowed: withoutCuts(feeds['allowed']!, cuts, plan.nHeads, band) } : {};
      write(from, to, await session.run({ ...feeds, ...allowed, head_indices: int64(heads, [heads.length]) }));
    });
  }

  /** Natural log-probabilities of the next token after each position, [1, T, V]. */
  async logProbabilities(hidden: Value): Promise<Value> {
    const { config, weights } = this.folder;
    const nTokens = hidden.dims[1]!;
    const all = emptyValue([1, nTokens, config.vocab_size]);
    const stream = await this.fetch(hidden);
    await inBands({ start: 0, end: nTokens }, this.predictionRows(), async (from, to) => {
      const session = await this.session('log_probabilities', () => logProbabilitiesGraph(config, weights));
      const fetched = await session.run({ hidden: rowsOf(stream, from, to) });
      writeRows(all, from, fetched['log_probabilities']!);
    });
    return all;
  }

  async predict(hidden: Value, targets: readonly number[], k: number, before?: Value): Promise<Prediction> {
    const topK = Math.min(k, this.folder.config.vocab_size);
    const prediction = emptyPrediction(targets.length, topK, before !== undefined);
    const nRows = this.predictionRows();
    const stream = targets.length <= nRows ? hidden : await this.fetch(hidden);
    const begun: (() => Promise<void>)[] = [];
    await inBands({ start: 0, end: targets.length }, nRows, async (from, to) => {
      const isWhole = to - from === targets.length;
      const rows = isWhole ? hidden : rowsOf(await this.fetch(stream), from, to);
      const others = before && rowsOf(before, from, to);
      const read = await this.beginPrediction(rows, targets.slice(from, to), topK, others);
      begun.push(async () => writePrediction(prediction, await read(), from, to));
    });
    for (const read of begun) await read();
    return prediction;
  }

  async predictAndKeep(hidden: Value, targets: readonly number[], k: number) {
    const { config, weights } = this.folder;
    const topK = Math.min(k, config.vocab_size);
    const nTokens = targets.length;
    const prediction = emptyPrediction(nTokens, topK, false);
    let logProbabilities = emptyValue([1, 0, config.vocab_size]);
    await inBands({ start: 0, end: nTokens }, this.predictionRows(), async (from, to) => {
      const session = await this.session('prediction/kept', () => predictionGraph(config, weights, 'kept'));
      const fetched = await session.run(predictionFeeds(rowsOf(hidden, from, to), targets.slice(from, to), topK));
      writePrediction(prediction, predictionOf(fetched), from, to);
      const rows = fetched['log_probabilities']!;
      if (to - from === nTokens) {
        logProbabilities = rows; // megabytes, of which there is no second copy then
        return;
      }
      if (from === 0) logProbabilities = emptyValue([1, nTokens, config.vocab_size]);
      writeRows(logProbabilities, from, rows);
    });
    return { prediction, logProbabilities };
  }

  /**
   * Runs a layer of a whole text with other values in one of its parts' place.
   * @param places one entry for each variant: the heads that take the values, or 0 for the feed-forward part.
   * @returns the stream after it, [variants, T, D].
   */
  async patchedBlock(layerIdx: number, hidden: Value, { part, places, values }: BlockPatch): Promise<Value> {
    return this.runPatched(layerIdx, hidden, { part, places, values }, 'hidden_out');
  }

  /** What a part of a layer is, as a patch replaces it: see `PatchedPart`. */
  async blockPart(layerIdx: number, hidden: Value, part: PatchedPart): Promise<Value> {
    return this.runPatched(layerIdx, hidden, { part, places: [[]], values: null }, 'own');
  }

  private async runPatched(
    layerIdx: number,
    hidden: Value,
    { part, places, values }: BlockPatch,
    output: 'own' | 'hidden_out',
  ): Promise<Value> {
    const { config, weights } = this.folder;
    const plan = planLayer(config, layerIdx);
    const { nHeads, headDim } = plan;
    const nTokens = hidden.dims[1]!;
    const nVariants = places.length;
    const nPlaces = part === 'mlp' ? 1 : nHeads;
    const isTaken = new Uint8Array(nVariants * nPlaces);
    for (const [i, list] of places.entries()) for (const place of list) isTaken[i * nPlaces + place] = 1;
    const ofHeads = [nVariants, nHeads, 1, 1];
    const takes = { pattern: ofHeads, value: ofHeads, head: [nVariants, 1, nHeads, 1], mlp: [nVariants, 1, 1] }[part];
    const none = { pattern: [1, nHeads, 1, 1], value: [1, nHeads, 1, headDim], head: [1, 1, nHeads, headDim] };
    const graph = () => patchedBlockGraph(config, layerIdx, weights, part, output);
    const session = await this.detail(`patch/${part}/${output}/${layerIdx}`, graph);
    const rows = emptyRows(plan, hidden);
    const feeds = {
      ...(await this.blockFeeds(plan, rows, bandAt(plan, 0, nTokens))),
      takes: { type: 'bool', data: isTaken, dims: takes } as const,
      patch: values ?? emptyValue(part === 'mlp' ? [1, 1, config.dim] : none[part]),
    };
    return (await session.run(feeds))[output]!;
  }

  /**
   * What the stream after each layer predicts when the output head reads it at once.
   * @param streams [1, T, D] after each layer, the last one last.
   * @param targets [T]
   * @param known log-probabilities of the last one, [1, T, V], where they are there.
   */
  async logitLens(
    streams: readonly Value[],
    targets: readonly number[],
    {
      k,
      known,
      signal,
    }: { readonly k: number; readonly known?: Value | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<LensRows[]> {
    const { config, weights } = this.folder;
    const topK = Math.min(k, config.vocab_size);
    const lenses = streams.map(() => emptyLensRows(targets.length, topK));
    // A table as small as this is laid out once more for these products, the most of a lens' work.
    const laysOut =
      !this.mapsWeights && !this.folder.summary.weightType && 4 * config.vocab_size * config.dim <= maxTableBytes;
    const session = (kind: 'inner' | 'last' | 'known') =>
      this.session(`logit_lens/${kind}`, () => logitLensGraph(config, weights, kind), {
        laysOut: laysOut && kind === 'inner',
      });
    const lastIdx = streams.length - 1;
    const work = async (from: number, to: number) => {
      const feeds = { targets: int64(targets.slice(from, to), [1, to - from]), top_k: int64([topK], [1]) };
      const hidden = (layerIdx: number) => rowsOf(streams[layerIdx]!, from, to);
      const last = known
        ? await (await session('known')).run({ ...feeds, log_probabilities: rowsOf(known, from, to) })
        : await (await session('last')).run({ ...feeds, hidden: hidden(lastIdx) });
      writeLensRows(lenses[lastIdx]!, last, last, from);
      const probabilities = last['probabilities']!;
      for (let layerIdx = 0; layerIdx < lastIdx; layerIdx++) {
        const inner = await session('inner');
        const fetched = await inner.run({ ...feeds, hidden: hidden(layerIdx), probabilities });
        writeLensRows(lenses[layerIdx]!, fetched, last, from);
      }
    };
    // Few enough rows that a processor's cache holds what each step reads of the one before.
    const nRows = Math.min(usualBandRows, Math.max(32, Math.floor(2 ** 20 / config.vocab_size / 32) * 32));
    await inBands({ start: 0, end: targets.length }, nRows, work, signal);
    return lenses;
  }

  async logits(hidden: Value): Promise<Value> {
    const session = await this.session('logits', () => logitsGraph(this.folder.config, this.folder.weights));
    return (await session.run({ hidden }))['logits']!;
  }

  async release(): Promise<void> {
    const all = [...this.sessions.values(), ...this.details.values()];
    this.sessions.clear();
    this.details.clear();
    for (const session of await Promise.allSettled(all)) {
      if (session.status === 'fulfilled') await session.value.release();
    }
  }

  /** @returns what waits for the result; a GPU computes other rows meanwhile. */
  protected async beginPrediction(
    hidden: Value,
    targets: readonly number[],
    k: number,
    before?: Value,
  ): Promise<() => Promise<Prediction>> {
    const { config, weights } = this.folder;
    const kind = before ? 'comparison' : 'prediction';
    const session = await this.session(kind, () => predictionGraph(config, weights, kind));
    const feeds = predictionFeeds(hidden, targets, k);
    const prediction = predictionOf(await session.run(before ? { ...feeds, before } : feeds));
    return async () => prediction;
  }

  async plainBlock(
    layerIdx: number,
    hidden: Value,
    { kernels, signal }: LayerOptions,
  ): Promise<Pick<BlockResult, 'hidden' | 'rows'>> {
    const plan = planLayer(this.folder.config, layerIdx);
    const rows = emptyRows(plan, hidden);
    const all = { first: 0, end: hidden.dims[1]! };
    return { hidden: await this.layerRows(layerIdx, rows, all, { kernels, signal }), rows };
  }

  /**
   * Computes some rows of a layer of which the rows before have their keys and values, and writes those of the rows.
   * @param rows may have room for more rows than are there.
   * @returns the stream after the layer, [B, end - first, D].
   */
  async layerRows(layerIdx: number, rows: LayerRows, range: TokenRange, options: RowsOptions = {}): Promise<Value> {
    const { kernels, signal, cuts: allCuts = [] } = options;
    const plan = planLayer(this.folder.config, layerIdx);
    const [nBatch = 1, , dim = 0] = rows.hidden.dims;
    const out = emptyValue([nBatch, range.end - range.first, dim]);
    for (const { first, end, cuts } of partsOf(range, allCuts)) {
      await this.inBands(first, end, signal, async (from, to) => {
        const band = bandAt(plan, from, to);
        const fetched = await this.runBlock(plan, rows, { band, taps: noTaps, kernels, cuts });
        writeRows(out, from - range.first, fetched['hidden_out']!);
      });
    }
    return out;
  }

  /** Writes keys and values of some rows of a layer, and computes nothing else of it. */
  async keepRows(layerIdx: number, rows: LayerRows, { first, end }: TokenRange, signal?: AbortSignal): Promise<void> {
    const { config, weights } = this.folder;
    const plan = planLayer(config, layerIdx);
    const session = await this.session(`kept/${layerIdx}`, () => keptRowsGraph(config, layerIdx, weights));
    await this.inBands(first, end, signal, async (from, to) => {
      const fetched = await session.run(await this.blockFeeds(plan, rows, { first: from, start: from, end: to }));
      writeRows(rows.keys, from, fetched['keys']!);
      writeRows(rows.values, from, fetched['values']!);
    });
  }

  private async runBlock(
    plan: LayerPlan,
    rows: LayerRows,
    { band, taps, extra = {}, kernels, cuts = [] }: BandRun,
  ): Promise<Values> {
    const { config, weights } = this.folder;
    const { layerIdx } = plan;
    const form = kernels ? fedConvolution : await this.convolutionForm(plan);
    const heads = cutHeads(plan, cuts);
    const graph = () => blockGraph(config, layerIdx, weights, taps, form, heads && knockOutFeeds(heads));
    const variant = `${form.isFixed ? '/fixed' : ''}${heads ? `/${heads}` : ''}`;
    const session = await this.blockSession(layerIdx, taps, variant, graph);
    const feeds = await this.blockFeeds(plan, rows, band, kernels);
    const allowed = cuts.length > 0 ? { allowed: withoutCuts(feeds['allowed']!, cuts, plan.nHeads, band) } : {};
    const fetched = await session.run({ ...feeds, ...extra, ...allowed });
    writeRows(rows.keys, band.first, fetched['keys']!);
    writeRows(rows.values, band.first, fetched['values']!);
    return fetched;
  }

  /** The session of a block's graph. @param variant distinguishes graphs of the same taps. */
  protected blockSession(
    layerIdx: number,
    taps: BlockTaps,
    variant: string,
    graph: () => Uint8Array,
    options: Partial<FolderSessionOptions> = {},
  ): Promise<Session> {
    if (taps !== noTaps) this.forgetOtherBlockSizes(taps.blockSize);
    const kind = taps === noTaps ? 'bare' : `block/${taps.blockSize}`;
    return this.session(`${kind}/${layerIdx}${variant}`, graph, options);
  }

  private get mapsWeights(): boolean {
    return this.provider === 'cpu' && this.folder.sizeBytes > mappedFromBytes;
  }

  /** How a layer with its trained kernels convolves. What is mapped cannot be laid out ahead. */
  private convolutionForm(plan: LayerPlan): Promise<ConvolutionForm> {
    const hasConvolution = plan.preSoftmaxKernel !== null || plan.postSoftmaxKernel !== null;
    if (this.provider !== 'cpu' || this.mapsWeights || !hasConvolution) return Promise.resolve(fedConvolution);
    this.convolution ??= chooseConvolution(plan, this.nThreads);
    return this.convolution;
  }

  protected async blockFeeds(
    plan: LayerPlan,
    rows: LayerRows,
    band: Band,
    kernels?: readonly KernelWeights[],
  ): Promise<Values> {
    const nTokens = rows.hidden.dims[1]!;
    const rotary = this.rotaryRows(plan, nTokens);
    const fed = kernels ?? (await this.trainedKernels(plan.layerIdx));
    return { ...bandFeeds(plan, rows, band, rotary), ...kernelFeeds(plan, fed) };
  }

  /** Rows of log-probabilities held at a time: on a CPU few enough that they take some 16 MB. */
  private predictionRows(): number {
    const [nValues, most] = this.provider === 'cpu' ? [2 ** 22, usualBandRows] : [2 ** 25, 4096];
    return Math.min(most, Math.max(1, Math.floor(nValues / this.folder.config.vocab_size / 16)) * 16);
  }

  protected rotaryRows(plan: LayerPlan, nTokens: number): RotaryRows {
    const { rotary, queryScaling } = plan;
    const key = JSON.stringify([rotary, queryScaling]);
    const known = this.rotary.get(key);
    const isLonger = known !== undefined && known.nTokens > nTokens && !dependsOnLength(rotary?.scaling ?? null);
    if (known && (isLonger || known.nTokens === nTokens)) return known;
    const rows = rotaryRows(plan, nTokens);
    this.rotary.set(key, rows);
    return rows;
  }

  /** Does work in bands of as many rows as fit into memory, as far as that is known. */
  protected async inBands(
    start: number,
    end: number,
    signal: AbortSignal | undefined,
    work: (start: number, end: number) => Promise<void>,
  ): Promise<void> {
    const mostCells = mostBandCells(this.provider, this.folder.config.n_heads);
    const fitting = await inBands({ start, end }, this.bandRows, work, signal, mostCells);
    this.bandRows = Math.min(this.bandRows, fitting);
  }

  /** Every session holds its own copy of the layer's weights: of the sizes that overviews are pooled by, two stay. */
  private forgetOtherBlockSizes(blockSize: number): void {
    if (this.blockSizes.at(-1) === blockSize) return;
    this.blockSizes = [...this.blockSizes.filter(other => other !== blockSize), blockSize];
    if (this.blockSizes.length <= 2) return;
    const oldest = this.blockSizes.shift();
    for (const [key, session] of this.sessions) {
      if (!key.startsWith(`block/${oldest}/`)) continue;
      this.sessions.delete(key);
      void session.then(old => old.release()).catch(() => {});
    }
  }

  protected session(
    key: string,
    graph: () => Uint8Array,
    options: Partial<FolderSessionOptions> = {},
  ): Promise<Session> {
    return cached(this.sessions, key, () => this.create(graph(), options));
  }

  private detail(key: string, graph: () => Uint8Array): Promise<Session> {
    return cached<string, Session>(this.details, key, () => this.create(graph(), {}));
  }

  protected create(graph: Uint8Array, options: Partial<FolderSessionOptions>): Promise<Session> {
    return folderSession(this.folder, graph, {
      provider: this.localProvider,
      mapsWeights: this.mapsWeights,
      nThreads: this.nThreads,
      ...options,
    });
  }
}

function predictionFeeds(hidden: Value, targets: readonly number[], k: number): Values {
  return { hidden, targets: int64(targets, [1, targets.length]), top_k: int64([k], [1]) };
}

function predictionOf(fetched: Values): Prediction {
  return {
    divergence: (fetched['divergence']?.data as Float32Array | undefined) ?? null,
    logProbabilities: fetched['log_probability']!.data as Float32Array,
    topIds: fetched['top.indices']!.data as Int32Array,
    topLogProbabilities: fetched['top.log_probabilities']!.data as Float32Array,
  };
}
