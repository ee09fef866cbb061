/** What a run of a question gives: rows of every head, and what the lines before it do to its predictions. */

import { lineAt, lineStartsOf } from '../../src/attention/lines';
import type { Engine } from '../../src/inference/engine';
import type { OccludedEvent, TokensEvent } from '../../src/inference/protocol';
import { toBits } from '../../src/inference/run/predictions';
import type { TokenRange } from '../../src/shared/address';
import { chosenHeads, type Quantity, quantities } from '../../src/shared/relevance';
import { tokenAt } from '../../src/tokenization/offsets';
import { Random } from '../random';
import type { Question } from './questions';

/** Whose rows: of the token that is asked about, or of the one before, which predicts it. */
export const rowKinds = ['predicting', 'reading'] as const;
export type RowKind = (typeof rowKinds)[number];

/** Rows of one kind, each of shape [token]. */
export interface Rows {
  /** Per head, in the order of layers. */
  readonly heads: Readonly<Record<Quantity, readonly Float32Array[]>>;
  readonly rollout: Float32Array;
  /** What the source tokens add to the logit of the token that came after the row. */
  readonly attribution: Float32Array;
}

/** What a line's absence does. */
export interface Effects {
  /** Bits of log-probability that the token asked about loses: predicting row. */
  readonly lostBits: number;
  /** Divergence of the prediction made at the token itself, in bits: reading row. */
  readonly divergenceBits: number;
}

export interface Line {
  readonly tokens: TokenRange;
  readonly isStated: boolean;
  /** Of some lines: at most `mostLines`. */
  readonly effects: Readonly<Record<'knockOut' | 'occlusion', Effects>> | null;
}

export interface Measured {
  readonly question: Question;
  readonly nTokens: number;
  /** That is asked about. */
  readonly token: number;
  /** Lines with text, before the question's. */
  readonly lines: readonly Line[];
  readonly rows: Readonly<Record<RowKind, Rows>>;
  /** Of questions for choosing: weights of the rows of "N/A" in place of the question's line, their mean, per head. */
  readonly withoutQuestion: readonly Float32Array[];
}

/** Lines of a question whose effects are measured: the stated one, and others drawn with the question's own seed. */
export const mostLines = 6;

/** Events of the engine that measuring needs; the engine is loaded with `listen`. */
export class Events {
  tokens: TokensEvent | undefined;
  occluded: OccludedEvent[] = [];

  readonly listen = (name: string, payload: unknown): void => {
    if (name === 'tokens') this.tokens = payload as TokensEvent;
    if (name === 'occluded') this.occluded.push(payload as OccludedEvent);
  };
}

const analysisId = 1;

export async function measure(engine: Engine, events: Events, question: Question): Promise<Measured> {
  const { text, at, statedLine, split } = question;
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const withoutQuestion: Float32Array[] = [];
  if (split === 'choosing') {
    const without = await analyze(engine, events, `${text.slice(0, lineStart)}N/A`);
    const nothing = { first: tokenAt(without.offsets, lineStart), end: without.ids.length };
    withoutQuestion.push(...(await headRows(engine, nothing, 'weight')));
  }

  const { ids, offsets } = await analyze(engine, events, text);
  const token = tokenAt(offsets, at);
  const rowOf = { predicting: token - 1, reading: token };
  const rows = { predicting: await rowsAt(engine, rowOf.predicting), reading: await rowsAt(engine, rowOf.reading) };

  const starts = lineStartsOf(text);
  const spans = new Map<number, TokenRange>();
  for (let i = 0; offsets[i]! < lineStart; i++) {
    if (offsets[i] === offsets[i + 1]) continue; // the begin token
    const line = lineAt(starts, offsets[i]!);
    spans.set(line, { first: spans.get(line)?.first ?? i, end: i + 1 });
  }
  const lines = [...spans].filter(([line]) => /\S/.test(text.slice(starts[line], starts[line + 1])));
  // Drawn by the question alone.
  const random = new Random(at);
  const order = lines.map(([line]) => ({ line, key: line === statedLine ? -1 : random.next() }));
  const chosen = new Set(
    order
      .sort((a, b) => a.key - b.key)
      .slice(0, mostLines)
      .map(({ line }) => line),
  );
  const measuredLines = split === 'choosing' ? [] : lines.filter(([line]) => chosen.has(line));

  const effects = measuredLines.length > 0 ? await effectsOf(engine, events, measuredLines, token, ids) : new Map();
  return {
    ...{ question, nTokens: ids.length, token, rows, withoutQuestion },
    lines: lines.map(([line, tokens]) => ({
      ...{ tokens, isStated: line === statedLine, effects: effects.get(line) ?? null },
    })),
  };
}

/** What the absence of each line does. */
async function effectsOf(
  engine: Engine,
  events: Events,
  lines: readonly (readonly [line: number, tokens: TokenRange])[],
  token: number,
  ids: Int32Array,
): Promise<Map<number, Line['effects']>> {
  events.occluded = [];
  const target = { first: token, end: token + 1 };
  await engine.occlude({
    ...{ analysisId, occlusionId: 1, target, mode: 'replace' },
    spans: lines.map(([, span]) => ({ first: span.first, end: Math.min(span.end, token) })),
  });
  const targets = [ids[token]!, ids[token + 1]!];
  const runner = await engine.experiments.knockOuts(analysisId, { first: token - 1, end: token + 1, targets });
  const { nLayers, nHeads } = engine.model;
  const heads = Array.from({ length: nHeads }, (_, headIdx) => headIdx);
  const effects = new Map<number, Line['effects']>();
  for (const [i, [line, keys]] of lines.entries()) {
    const cut = { queries: { first: keys.end, end: token + 1 }, keys, heads };
    const after = await runner.without(new Map(Array.from({ length: nLayers }, (_, layerIdx) => [layerIdx, [cut]])));
    const { effect } = events.occluded.find(({ spanIdx }) => spanIdx === i)!;
    effects.set(line, {
      knockOut: {
        lostBits: toBits(runner.before.logProbabilities[0]! - after.logProbabilities[0]!),
        divergenceBits: toBits(after.divergence![1]!),
      },
      occlusion: { lostBits: effect.surprisalBits, divergenceBits: effect.divergenceBits },
    });
  }
  return effects;
}

async function analyze(engine: Engine, events: Events, text: string): Promise<TokensEvent['tokens']> {
  await engine.analyze({
    ...{ analysisId, text, textStart: 0, documentLength: text.length, anchor: 0 },
    ...{ maxTokens: engine.model.maxSeqlen, topK: 1 },
  });
  return events.tokens!.tokens;
}

async function headRows(engine: Engine, range: TokenRange, quantity: Quantity): Promise<Float32Array[]> {
  const heads = chosenHeads('all', 0, engine.model.nLayers, engine.model.nHeads);
  const rows = await engine.details.relevanceByHead({ analysisId, range, direction: 'attends', heads, quantity });
  return rows.map(({ weights }) => weights);
}

async function rowsAt(engine: Engine, row: number): Promise<Rows> {
  const range = { first: row, end: row + 1 };
  const heads = {} as Record<Quantity, Float32Array[]>;
  for (const quantity of quantities) heads[quantity] = await headRows(engine, range, quantity);
  const { nLayers, nHeads } = engine.model;
  const rollout = await engine.details.relevance({
    ...{ analysisId, range, direction: 'attends', method: 'rollout', stage: 'mixed_pattern' },
    heads: chosenHeads('all', 0, nLayers, nHeads),
  });
  const { tokens } = await engine.explain({ analysisId, row, target: 'actual' });
  return { heads, rollout, attribution: Float32Array.from(tokens) };
}
