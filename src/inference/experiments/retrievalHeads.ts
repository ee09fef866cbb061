/** Scores heads by labeled examples; see attention/retrievalHeads for what the score is. */

import { meanOfRows, retrievalScore } from '../../attention/retrievalHeads';
import type { TokenRange } from '../../shared/address';
import { weightsStage } from '../../shared/operators';
import type { RetrievalExample, ScoredHead } from '../../shared/retrievalHeads';
import { Failure } from '../../shared/tools/failure';
import { walkLayers } from '../run/walkLayers';
import type { WithRuntime } from '../runtime/lastingRuntime';

/** A text as a run takes it. */
export interface TokenizedText {
  readonly ids: Int32Array;
  /** [token + 1] */
  readonly offsets: Uint32Array;
}

/** Stands in place of the query where nothing is asked, as in the authors' code. */
const nothingAsked = 'N/A';

/**
 * @param tokenize the end of a text, as much as the model takes.
 * @returns all heads with their mean scores, in the order of layers.
 * @throws Failure `bad-example` naming what is wrong with one; Cancelled between layers once `signal` fires.
 */
export async function scoreHeads(
  withRuntime: WithRuntime,
  tokenize: (text: string) => TokenizedText,
  examples: readonly RetrievalExample[],
  pause: () => Promise<void>,
  signal?: AbortSignal,
): Promise<ScoredHead[]> {
  let sums: number[][] = [];
  for (const [i, example] of examples.entries()) {
    const { asked, unasked, gold } = tokenizeExample(example, tokenize, i + 1);
    const rows = await headRows(withRuntime, asked.ids, asked.rows, pause, signal);
    const without = await headRows(withRuntime, unasked.ids, unasked.rows, pause, signal);
    sums = rows.map((layer, l) =>
      layer.map((row, h) => (sums[l]?.[h] ?? 0) + retrievalScore({ asked: row, unasked: without[l]![h]! }, gold)),
    );
  }
  return sums.flatMap((layer, layerIdx) =>
    layer.map((sum, headIdx) => ({ layerIdx, headIdx, score: sum / examples.length })),
  );
}

interface Rows {
  readonly ids: Int32Array;
  /** Whose mean is taken. */
  readonly rows: TokenRange;
}

/** The rows that predict the query, and those of "N/A" in place of the query's line up to it. */
function tokenizeExample(
  { text, query, gold }: RetrievalExample,
  tokenize: (text: string) => TokenizedText,
  number: number,
): { readonly asked: Rows; readonly unasked: Rows; readonly gold: TokenRange } {
  const wrong = (what: string) => new Failure('bad-example', `Example ${number} of heads: ${what}`);
  if (!(gold.start < gold.end && gold.end <= query.start && query.start < query.end && query.end <= text.length)) {
    throw wrong(
      `the gold passage ${gold.start} to ${gold.end} and the query ${query.start} to ${query.end} must lie in the text (${text.length} characters), the passage before the query.`,
    );
  }
  const lineStart = text.lastIndexOf('\n', query.start - 1) + 1;
  if (gold.end > lineStart) throw wrong('the gold passage must end on a line before that of the query.');
  const whole = tokenize(text.slice(0, query.end));
  const passage = tokensIn(whole, gold);
  const selected = tokensIn(whole, query);
  const without = tokenize(text.slice(0, lineStart) + nothingAsked);
  const nothing = tokensIn(without, { start: lineStart, end: lineStart + nothingAsked.length });
  const isSame = whole.ids.subarray(0, passage.end).every((id, i) => id === without.ids[i]);
  if (passage.end <= passage.first || selected.first < 1 || !isSame) {
    throw wrong('the text is longer than the context of the model. Shorten it, so that passage and query are in it.');
  }
  return {
    asked: { ids: whole.ids, rows: { first: selected.first - 1, end: selected.end - 1 } },
    unasked: { ids: without.ids, rows: nothing },
    gold: passage,
  };
}

/** Tokens that begin or end in a stretch of the text. */
function tokensIn({ ids, offsets }: TokenizedText, { start, end }: { start: number; end: number }): TokenRange {
  let [first, last] = [ids.length, 0];
  for (let i = 0; i < ids.length; i++) {
    if (offsets[i + 1]! <= start || offsets[i]! >= end || offsets[i] === offsets[i + 1]) continue;
    first = Math.min(first, i);
    last = i + 1;
  }
  return { first, end: last };
}

/** The mean of some rows of the weights, [layer][head], each [token]. */
async function headRows(
  withRuntime: WithRuntime,
  ids: Int32Array,
  { first, end }: TokenRange,
  pause: () => Promise<void>,
  signal?: AbortSignal,
): Promise<Float32Array[][]> {
  // All of it again on another runtime where one fails.
  return withRuntime(async runtime => {
    const { nHeads, layers } = runtime.folder.summary;
    const found: Float32Array[][] = [];
    await walkLayers(runtime, {
      ...{ hidden: await runtime.embed(ids), pause, signal },
      runLayer: async (layerIdx, input, options) => {
        const stage = weightsStage(layers[layerIdx]!.stages);
        const { hidden, rows } = await runtime.blockRows(layerIdx, input, { stage, queries: [first, end], ...options });
        const size = rows.length / nHeads;
        found.push(
          Array.from({ length: nHeads }, (_, head) =>
            meanOfRows(rows.subarray(head * size, (head + 1) * size), end - first),
          ),
        );
        return hidden;
      },
    });
    return found;
  });
}
