/** Runs the ranges of a document search through the model; see shared/documentSearch for what is measured. */

import { maxOverHeads, meanOverHeads } from '../../attention/aggregate';
import { nearestFirst, planRanges } from '../../attention/planRanges';
import type { TokenRange } from '../../shared/address';
import { effectiveStage } from '../../shared/attentionMap';
import type { Probe, SearchedRange, SearchMeasure, SearchRows } from '../../shared/documentSearch';
import { type Stage, weightsStage } from '../../shared/operators';
import { Failure } from '../../shared/tools/failure';
import { tokenAt, tokenOffsets } from '../../tokenization/offsets';
import type { Tokenizer } from '../../tokenization/tokenizer';
import { targetsOf, toBits } from '../run/predictions';
import { byLayer } from '../run/relevance';
import { walkLayers } from '../run/walkLayers';
import type { WithRuntime } from '../runtime/lastingRuntime';
import type { LayerRuntime } from '../runtime/layerRuntime';
import { rowsOf as hiddenRows } from '../runtime/values';
import type { TextTokens } from './searchText';

/** Tokens before the selection that go with it, at most; and no more than this share of the window. */
const maxLead = 48;
const maxShare = 8;

export interface SearchRequest extends SearchMeasure {
  readonly probe: Probe;
  /** Of `head`; the others take the last stage. */
  readonly stage: Stage;
  readonly maxTokens: number;
}

/** Tokens of the probe. */
interface ProbeTokens {
  readonly ids: Int32Array;
  /** Where they start and end in the document, UTF-16. */
  readonly start: number;
  readonly end: number;
  /** In `ids`. */
  readonly selection: TokenRange;
}

/**
 * Searches a text, the ranges nearest to the selection first.
 * @param pause called before every layer; resolves when the work may go on.
 * @returns bits per selected token without any window; NaN where nothing predicts it.
 * @throws Cancelled once `signal` fires; Failure `small-window` where a window has no room for the probe.
 */
export async function searchRanges(
  withRuntime: WithRuntime,
  text: TextTokens,
  request: SearchRequest,
  probe: ProbeTokens,
  onWindow: (window: SearchedRange) => void,
  pause: () => Promise<void>,
  signal?: AbortSignal,
): Promise<number> {
  const run = (before: Int32Array, isMeasured: boolean) =>
    withRuntime(runtime => runWindow(runtime, before, probe, isMeasured ? request : null, pause, signal));
  const { maxTokens } = request;
  const room = maxTokens - 1 - probe.ids.length;
  const before = Math.floor(maxTokens / 2);
  const startsLine = (token: number) =>
    token === 0 || text.lineOf(text.offsets[token]!) !== text.lineOf(text.offsets[token]! - 1);
  const planned = planRanges(text.ids.length, room, before, startsLine);
  const windows = nearestFirst(planned, tokenNear(text.offsets, probe.end - 1));
  const copy = copyOf(text, probe);
  const { selectionBits: baselineBits } = await run(new Int32Array(0), false);
  const bitsAfter = async (before: Int32Array) =>
    before.length === 0 ? baselineBits : (await run(before, false)).selectionBits;
  for (const [done, { first, report }] of windows.entries()) {
    const { weights, bits, selectionBits } = await run(text.ids.subarray(first, report.end), true);
    const rows = rowsOf(text, first, report, weights, bits, copy);
    const earlier = withoutCopy(text, { first, end: report.first }, copy);
    const span = withoutCopy(text, report, copy);
    const holdsCopy = earlier.length + span.length < report.end - first;
    let gainBits = Number.NaN;
    if (span.length > 0) {
      const withSpan = holdsCopy ? await bitsAfter(Int32Array.from([...earlier, ...span])) : selectionBits;
      gainBits = (await bitsAfter(earlier)) - withSpan;
    }
    onWindow({ rows, gainBits, done: done + 1, total: windows.length });
  }
  return baselineBits;
}

/**
 * Where the document itself holds the probe, with what goes on from there in the same line: a head that continues
 * repeated text looks at exactly that, which is no evidence about the document.
 */
function copyOf(text: TextTokens, { start, end }: ProbeTokens): { readonly start: number; readonly end: number } {
  const { ids, offsets, lineOf } = text;
  if (end > offsets[ids.length]! || start < offsets[0]!) return { start, end };
  const line = lineOf(end - 1);
  let token = tokenNear(offsets, end - 1);
  const last = Math.min(ids.length, token + maxLead);
  while (token < last && lineOf(offsets[token]!) === line) token++;
  return { start, end: Math.max(end, offsets[token]!) };
}

/** The ids of a range's tokens that lie outside the probe's copy. */
function withoutCopy(
  { ids, offsets }: TextTokens,
  { first, end }: TokenRange,
  copy: { readonly start: number; readonly end: number },
): Int32Array {
  return ids
    .subarray(first, end)
    .filter((_, i) => offsets[first + i]! >= copy.end || offsets[first + i + 1]! <= copy.start);
}

/** The probe's tokens: the end of the selection if it is long, and what fits of the text before it. */
export function tokenizeProbe(
  { text, start, selectionStart }: Probe,
  tokenizer: Tokenizer,
  maxTokens: number,
): ProbeTokens {
  const { ids, byteLengths } = tokenizer.encode(text);
  const offsets = tokenOffsets(text, byteLengths);
  const limit = Math.floor(maxTokens / maxShare);
  const selected = Math.max(0, Math.min(tokenAt(offsets, selectionStart), ids.length - 1));
  const nSelected = Math.min(ids.length - selected, limit);
  const nLead = ids.length - selected > limit ? 0 : Math.min(selected, limit, maxLead);
  if (nSelected < 1) {
    throw new Failure(
      'small-window',
      `A window of ${maxTokens} tokens has no room for the selection. Raise the setting mtaInspector.range.maxTokens.`,
      ['openSettings'],
    );
  }
  const first = ids.length - nSelected - nLead;
  return {
    ...{ ids: ids.subarray(first), start: start + offsets[first]!, end: start + text.length },
    selection: { first: nLead, end: nLead + nSelected },
  };
}

/** The token at an offset, or the one nearest to it. */
function tokenNear(offsets: Uint32Array, offset: number): number {
  const inside = Math.min(Math.max(offset, offsets[0]!), offsets.at(-1)!);
  return Math.max(0, tokenAt(offsets, inside));
}

interface WindowFigures {
  /** One per token of the text before the probe. */
  readonly weights: Float32Array;
  /** Surprisal of the same, NaN for one that nothing predicts. */
  readonly bits: Float32Array;
  readonly selectionBits: number;
}

async function runWindow(
  runtime: LayerRuntime,
  before: Int32Array,
  probe: ProbeTokens,
  measure: Pick<SearchRequest, 'method' | 'heads' | 'stage' | 'rows'> | null,
  pause: () => Promise<void>,
  signal?: AbortSignal,
): Promise<WindowFigures> {
  const { config, summary } = runtime.folder;
  const nBegin = config.bos_token_id === null ? 0 : 1;
  const begin = config.bos_token_id === null ? [] : [config.bos_token_id];
  const ids = Int32Array.from([...begin, ...before, ...probe.ids]);
  const textStart = nBegin + before.length;
  const selection = { first: textStart + probe.selection.first, end: textStart + probe.selection.end };
  // A window has text or a begin token before the probe, so that something predicts its first token.
  const shift = measure?.rows === 'predicting' ? 1 : 0;
  const asked = { first: Math.max(0, selection.first - shift), end: Math.max(1, selection.end - shift) };
  const headsOf = new Map(measure ? byLayer(measure.heads) : []);
  const rows: Float32Array[] = [];
  const hidden = await walkLayers(runtime, {
    ...{ hidden: await runtime.embed(ids), pause, signal },
    runLayer: async (layerIdx, stream) => {
      const heads = headsOf.get(layerIdx);
      if (!heads || !measure) return runtime.bareBlock(layerIdx, stream, { signal });
      const { stages } = summary.layers[layerIdx]!;
      const stage = measure.method === 'head' ? effectiveStage(stages, measure.stage) : weightsStage(stages);
      const queries = [asked.first, asked.end] as const;
      const result = await runtime.blockRows(layerIdx, stream, { stage, queries, signal });
      for (const headIdx of heads) rows.push(meanRow(result.rows, headIdx, asked, ids.length));
      return result.hidden;
    },
  });
  // Without a measure only the selection's own surprisal counts: the other rows need no logits.
  const from = measure ? 0 : Math.max(0, selection.first - 1);
  const rowsToPredict = from === 0 ? hidden : hiddenRows(await runtime.fetch(hidden), from, ids.length);
  const { logProbabilities } = await runtime.predict(rowsToPredict, targetsOf(ids).slice(from), 1);
  const bitsOf = (token: number) => (token <= from ? Number.NaN : -toBits(logProbabilities[token - 1 - from]!));
  const ofText = <T extends Float32Array>(values: T) => values.slice(nBegin, textStart);
  const weights =
    rows.length === 0
      ? new Float32Array(ids.length)
      : measure?.method === 'max'
        ? maxOverHeads(rows)
        : meanOverHeads(rows);
  return {
    weights: ofText(weights),
    bits: ofText(Float32Array.from(ids, (_, token) => bitsOf(token))),
    selectionBits: meanOf(selection, bitsOf),
  };
}

/** Mean over the queries of one head's rows, shape [nTokens]. @param rows [head, query, key]. */
function meanRow(rows: Float32Array, headIdx: number, { first, end }: TokenRange, nTokens: number): Float32Array {
  const nQueries = end - first;
  const sums = new Float64Array(nTokens);
  for (let i = 0; i < nQueries; i++) {
    const start = (headIdx * nQueries + i) * nTokens;
    for (let key = 0; key <= first + i; key++) sums[key]! += rows[start + key]!;
  }
  return Float32Array.from(sums, sum => sum / nQueries);
}

function meanOf({ first, end }: TokenRange, bitsAt: (token: number) => number): number {
  let [sum, count] = [0, 0];
  for (let token = first; token < end; token++) {
    const value = bitsAt(token);
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  return count === 0 ? Number.NaN : sum / count;
}

/** The report's tokens by line. @param weights @param bits of the window's text, whose first token is `windowFirst`. */
function rowsOf(
  text: TextTokens,
  windowFirst: number,
  report: TokenRange,
  weights: Float32Array,
  bits: Float32Array,
  copy: { readonly start: number; readonly end: number },
): SearchRows {
  const lines: { lineIdx: number; tokens: number[] }[] = [];
  for (let token = report.first; token < report.end; token++) {
    const lineIdx = text.lineOf(text.offsets[token]!);
    const last = lines.at(-1);
    if (last?.lineIdx === lineIdx) last.tokens.push(token);
    else lines.push({ lineIdx, tokens: [token] });
  }
  const isCopy = (token: number) => text.offsets[token]! < copy.end && text.offsets[token + 1]! > copy.start;
  const weightOf = (token: number) => (isCopy(token) ? 0 : weights[token - windowFirst]!);
  const strongest = lines.map(({ tokens }) =>
    tokens.reduce((best, token) => (Math.abs(weightOf(token)) > Math.abs(weightOf(best)) ? token : best)),
  );
  return {
    lineIdxs: Int32Array.from(lines, ({ lineIdx }) => lineIdx),
    isBlank: Uint8Array.from(lines, ({ lineIdx }) => Number(text.isBlank(lineIdx))),
    nTokens: Int32Array.from(lines, ({ tokens }) => tokens.length),
    nOwn: Int32Array.from(lines, ({ tokens }) => tokens.filter(token => !isCopy(token)).length),
    weights: Float32Array.from(lines, ({ tokens }) =>
      tokens.reduce((sum, token) => sum + Math.abs(weightOf(token)), 0),
    ),
    strongestAt: Uint32Array.from(strongest, token => text.offsets[token]!),
    strongestWeights: Float32Array.from(strongest, weightOf),
    surprisalBits: Float32Array.from(lines, ({ tokens }) => {
      const known = tokens.map(token => bits[token - windowFirst]!).filter(value => !Number.isNaN(value));
      return known.reduce((sum, value) => sum + value, 0) / known.length;
    }),
  };
}
