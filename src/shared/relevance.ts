/** What "relevant context" means: which heads count, how their weights are combined, and how claims are checked. */

import type { HeadRef, TokenRange } from './address';
import { t } from './tools/l10n';

export const relevanceMethods = ['head', 'mean', 'max', 'rollout'] as const;
/**
 * - `head`: the current head and stage.
 * - `mean`, `max`: over the chosen heads' last stage, the weights that multiply the values; `max` keeps the sign.
 * - `rollout`: the chosen heads' layers multiplied through, with the residual connection (attention/rollout.ts).
 */
export type RelevanceMethod = (typeof relevanceMethods)[number];

export const quantities = ['weight', 'norm', 'contribution'] as const;
/**
 * What a cell of a head's map says:
 * - `weight`: what multiplies the value (the last stage, or the one named).
 * - `norm`: how long the vector is that it adds to the residual stream (Kobayashi et al. 2020).
 * - `contribution`: its share of the head's output, along that output (arXiv 2606.07604); rows sum to 1.
 */
export type Quantity = (typeof quantities)[number];

/** `attends`: what the selection looks at, as query. `attendedBy`: what looks at the selection, as key. */
export type Direction = 'attends' | 'attendedBy';

/** Heads used by `mean`, `max` and `rollout`: those of the current layer, all of the model, or a list. */
export type HeadChoice = 'layer' | 'all' | readonly HeadRef[];

export interface RelevanceOptions {
  readonly method: RelevanceMethod;
  readonly direction: Direction;
  readonly heads: HeadChoice;
  /** Its weights by default. */
  readonly quantity?: Quantity;
  /** Whose weights are taken of what a selection attends to; by default those of its own rows, `reading`. */
  readonly row?: RowKind | undefined;
}

/** Which rows are asked about tokens: those whose outputs predict them, or their own. */
export const rowKinds = ['predicting', 'reading'] as const;
export type RowKind = (typeof rowKinds)[number];

export const defaultRelevance: RelevanceOptions = { method: 'mean', direction: 'attends', heads: 'all' };

/**
 * The predicting rows of some tokens: row t - 1 predicts token t. The tokens' own rows are the reading rows.
 * @returns null where nothing predicts them: token 0 alone.
 */
export function predictingRows({ first, end }: TokenRange): TokenRange | null {
  return end < 2 ? null : { first: Math.max(0, first - 1), end: end - 1 };
}

/** The rows that a way of measuring takes of a selection; null where nothing predicts it. */
export function measuredRows(
  selection: TokenRange,
  { row, direction }: Pick<RelevanceOptions, 'row' | 'direction'>,
): TokenRange | null {
  return row === 'predicting' && direction === 'attends' ? predictingRows(selection) : selection;
}

/** The range between two tokens, both included, in whichever order they were selected. */
export function rangeBetween(one: number, other: number): TokenRange {
  return { first: Math.min(one, other), end: Math.max(one, other) + 1 };
}

/** Whether a token can have a weight at all: as key no later than the last query, as query no earlier than the first key. */
export function isApplicable(direction: Direction, { first, end }: TokenRange, tokenIdx: number): boolean {
  return direction === 'attends' ? tokenIdx < end : tokenIdx >= first;
}

/** The heads a choice names. `headsOf('2.0, 3.5')` style lists are read by `parseHeads`. */
export function chosenHeads(choice: HeadChoice, layerIdx: number, nLayers: number, nHeads: number): HeadRef[] {
  const headsOf = (layer: number) => Array.from({ length: nHeads }, (_, headIdx) => ({ layerIdx: layer, headIdx }));
  if (choice === 'layer') return headsOf(layerIdx);
  if (choice === 'all') return Array.from({ length: nLayers }, (_, layer) => headsOf(layer)).flat();
  return choice.filter(head => head.layerIdx < nLayers && head.headIdx < nHeads);
}

/** Layers of which no head is chosen: rollout passes through them as if they had no attention. */
export function skippedLayers(heads: readonly HeadRef[], nLayers: number): number[] {
  const used = new Set(heads.map(({ layerIdx }) => layerIdx));
  return Array.from({ length: nLayers }, (_, layerIdx) => layerIdx).filter(layerIdx => !used.has(layerIdx));
}

/**
 * Reads "layer", "all" or a list of heads as LAYER.HEAD, such as "2.0, 3.5" ("3.*" names all heads of a layer).
 * @throws RangeError naming the part that is not a head of the model.
 */
export function parseHeads(text: string, nLayers: number, nHeads: number): HeadChoice {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === 'layer' || trimmed === 'all') return trimmed;
  const heads = trimmed.split(/[\s,;]+/).flatMap(part => {
    const match = /^(\d{1,4})\.(\d{1,4}|\*)$/.exec(part);
    const layerIdx = Number(match?.[1] ?? Number.NaN);
    const isAll = match?.[2] === '*';
    const headIdx = isAll ? 0 : Number(match?.[2]);
    if (!(layerIdx < nLayers && headIdx < nHeads)) {
      throw new RangeError(
        t('"{0}" is not a head: write LAYER.HEAD, layers 0 to {1}, heads 0 to {2}', part, nLayers - 1, nHeads - 1),
      );
    }
    return isAll ? chosenHeads('layer', layerIdx, nLayers, nHeads) : [{ layerIdx, headIdx }];
  });
  const seen = new Set<string>();
  return heads.filter(({ layerIdx, headIdx }) => {
    const key = `${layerIdx}.${headIdx}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** The inverse of `parseHeads`. */
export function formatHeads(choice: HeadChoice): string {
  return typeof choice === 'string'
    ? choice
    : choice.map(({ layerIdx, headIdx }) => `${layerIdx}.${headIdx}`).join(', ');
}

/** `replace`: every token of the line becomes one neutral token; `remove`: the line's tokens are left out. */
export const occlusionModes = ['replace', 'remove'] as const;
export type OcclusionMode = (typeof occlusionModes)[number];

/** What occluding some tokens does to what the model makes of the target tokens. */
export interface OcclusionEffect {
  /** Change of the targets' mean surprisal, in bits per token; positive: the occluded text helped to predict them. */
  readonly surprisalBits: number;
  /** Mean Kullback-Leibler divergence, in bits, of the predictions made at the target tokens from those made before. */
  readonly divergenceBits: number;
  /** The likeliest token after the last target token now. */
  readonly topLabel: string;
  readonly topProbability: number;
}

/**
 * The edges from the rows that predict selected tokens to a line, as a knock-out cuts them: the first of these rows always
 * sees itself. @returns null where the line is not before that row.
 */
export function hiddenLine(line: TokenRange, selection: TokenRange): { rows: TokenRange; keys: TokenRange } | null {
  const rows = { first: Math.max(0, selection.first - 1), end: selection.end - 1 };
  const keys = { first: line.first, end: Math.min(line.end, rows.first) };
  return keys.first < keys.end && rows.first < rows.end ? { rows, keys } : null;
}

/** A line's relevance: the sum of its tokens' magnitudes, and their mean. */
export interface LineRelevance {
  readonly weight: number;
  readonly meanWeight: number;
}

/** An occluded line; its own relevance is that of the reading rows. */
export interface OccludedLine extends LineRelevance {
  readonly lineIdx: number;
  /** Relevance of the predicting rows; null where it is not known. */
  readonly predicting: LineRelevance | null;
  readonly effect: OcclusionEffect;
}

/** Rank correlations with one effect, -1 to 1; NaN where there are too few lines. */
export interface RankAgreement {
  readonly relevance: number;
  readonly relevanceMean: number;
  /** Of the line number alone: what a measure that looks at nothing else but the distance reaches. */
  readonly nearness: number;
}

/** See attention/occlusionAgreement.ts. */
export interface OcclusionAgreement {
  readonly divergence: RankAgreement;
  readonly surprisal: RankAgreement;
  /** With the absolute value of the change of surprisal. */
  readonly surprisalSize: RankAgreement;
}

/** What the model makes of the targets with everything in place. */
export interface OcclusionBaseline {
  readonly surprisalBits: number;
  readonly topLabel: string;
  readonly topProbability: number;
  /** What stands for an occluded token in mode `replace`, readable; null in mode `remove`. */
  readonly neutralLabel: string | null;
}
