/** Names of parts of a run, the same in every message: cells, rectangles, ranges of tokens, layers and heads. */

import type { KernelPart } from './kernels';

/** A cell of an attention map: the row that looks and the column looked at. */
export interface Cell {
  readonly queryIdx: number;
  readonly keyIdx: number;
}

/** A rectangle of an attention map. */
export interface Rect {
  readonly queryStart: number;
  readonly keyStart: number;
  readonly nQueries: number;
  readonly nKeys: number;
}

/** Tokens first .. end - 1. */
export interface TokenRange {
  readonly first: number;
  readonly end: number;
}

export interface HeadRef {
  readonly layerIdx: number;
  readonly headIdx: number;
}

/** "L2H3", "2.3" or "2 3" as a head of a model of this size; null for anything else. */
export function parseHead(text: string, nLayers: number, nHeads: number): HeadRef | null {
  const [, layer, head] = /^\s*(?:L\s*)?(\d{1,4})(?:\s*[.,:/]?\s*H\s*|\s*[.,:/]\s*|\s+)(\d{1,4})\s*$/i.exec(text) ?? [];
  if (layer === undefined || head === undefined) return null;
  const [layerIdx, headIdx] = [Number(layer), Number(head)];
  return layerIdx < nLayers && headIdx < nHeads ? { layerIdx, headIdx } : null;
}

export interface LayerAddress {
  readonly analysisId: number;
  readonly layerIdx: number;
}

/** A learned part of one head. */
export interface PartAddress extends LayerAddress, HeadRef {
  readonly part: KernelPart;
}
