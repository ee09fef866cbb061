/** Checks a way of measuring relevance that comes from outside: a webview, or what was saved. Pure. */

import { type HeadRef, type RelevanceOptions, relevanceMethods } from '../shared/relevance';

/** More heads than any model on a desk has. */
const maxHeads = 4096;

/** The options if they are well-formed, else null. Heads that the model lacks are left out where they are used. */
export function checkRelevance(value: unknown): RelevanceOptions | null {
  const { method, direction, heads } = (value ?? {}) as Partial<Record<keyof RelevanceOptions, unknown>>;
  if (!(relevanceMethods as readonly unknown[]).includes(method)) return null;
  if (direction !== 'attends' && direction !== 'attendedBy') return null;
  const checked = { method, direction } as Pick<RelevanceOptions, 'method' | 'direction'>;
  if (heads === 'layer' || heads === 'all') return { ...checked, heads };
  if (!Array.isArray(heads) || heads.length === 0 || heads.length > maxHeads || !heads.every(isHead)) return null;
  return { ...checked, heads: heads.map(({ layerIdx, headIdx }: HeadRef) => ({ layerIdx, headIdx })) };
}

function isHead(value: unknown): value is HeadRef {
  const { layerIdx, headIdx } = (value ?? {}) as Record<string, unknown>;
  return [layerIdx, headIdx].every(idx => Number.isSafeInteger(idx) && (idx as number) >= 0);
}
