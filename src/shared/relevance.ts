/** What "relevant context" means: which heads are asked, how their answers become one, and how claims are checked. */

import type { HeadRef, TokenRange } from './address';

export const relevanceMethods = ['head', 'mean', 'max', 'rollout'] as const;
/**
 * - `head`: the head and stage on show.
 * - `mean`, `max`: over the chosen heads' last stage, the weights that multiply the values; `max` keeps the sign.
 * - `rollout`: the chosen heads' layers multiplied through, with the residual connection (attention/rollout.ts).
 */
export type RelevanceMethod = (typeof relevanceMethods)[number];

/** `attends`: what the selection looks at, as query. `attendedBy`: what looks at the selection, as key. */
export type Direction = 'attends' | 'attendedBy';

/** Heads asked by `mean`, `max` and `rollout`: those of the layer on show, all of the model, or a list. */
export type HeadChoice = 'layer' | 'all' | readonly HeadRef[];

export interface RelevanceOptions {
  readonly method: RelevanceMethod;
  readonly direction: Direction;
  readonly heads: HeadChoice;
}

export const defaultRelevance: RelevanceOptions = { method: 'head', direction: 'attends', heads: 'layer' };

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

/**
 * Reads "layer", "all" or a list of heads as LAYER.HEAD, such as "2.0, 3.5" ("3.*" names all heads of a layer).
 * @throws RangeError naming the part that is no head of the model.
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
        `"${part}" is no head: write LAYER.HEAD, layers 0 to ${nLayers - 1}, heads 0 to ${nHeads - 1}`,
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

/** What the model makes of the targets with everything in place. */
export interface OcclusionBaseline {
  readonly surprisalBits: number;
  readonly topLabel: string;
  readonly topProbability: number;
  /** What stands for an occluded token in mode `replace`, readable; null in mode `remove`. */
  readonly neutralLabel: string | null;
}
