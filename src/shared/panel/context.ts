/** The relevant context of the selection, as the host works it out and panel and editor show it. */

import type { TokenRange } from '../address';
import type {
  LineRelevance,
  OccludedLine,
  OcclusionAgreement,
  OcclusionBaseline,
  OcclusionMode,
  RankAgreement,
  RelevanceOptions,
} from '../relevance';
import type { FailureData } from '../tools/failure';

/** A line of the document with its share of the relevance. */
export interface ContextLine extends LineRelevance {
  /** From 0. */
  readonly lineIdx: number;
  /** Its first characters, as they are in the document. */
  readonly text: string;
  readonly tokens: TokenRange;
  readonly strongestIdx: number;
  readonly strongestWeight: number;
}

/** One line occluded. */
export interface OcclusionRow extends OccludedLine {
  readonly text: string;
  /** Bits per selected token lost where the predicting rows may not see the line; null until known, or where it cannot be. */
  readonly lostBits: number | null;
}

/** A check of relevance against causes, as far as it has come. */
export interface OcclusionState {
  readonly status: 'running' | 'done' | 'cancelled' | 'failed';
  readonly mode: OcclusionMode;
  readonly target: TokenRange;
  /** Lines to occlude: those before the target that have tokens in the window. */
  readonly total: number;
  /** The most relevant lines first. */
  readonly rows: readonly OcclusionRow[];
  readonly baseline: OcclusionBaseline | null;
  /** Over `rows`. */
  readonly agreement: OcclusionAgreement;
  /** With `lostBits`, once they are there: lines are ranked by them. */
  readonly hiding: RankAgreement | null;
  /** Why lines cannot be hidden; null where they can. */
  readonly hidingNote: string | null;
  readonly failure: FailureData | null;
}

/** What the panel shows of it at every change. The lines, which are many, are requested by the view that lists them. */
export interface PanelContext extends Omit<ContextState, 'weights' | 'lines'> {
  readonly hasWeights: boolean;
  readonly nLines: number;
  /** Another number for other lines. */
  readonly linesId: number;
}

export interface PanelContextLines {
  readonly linesId: number;
  readonly lines: readonly ContextLine[];
}

export interface ContextState {
  readonly analysisId: number;
  readonly options: RelevanceOptions;
  /** What the numbers below belong to; null without a selection. */
  readonly range: TokenRange | null;
  /** One weight per token of the window; null until they are there. */
  readonly weights: Float32Array | null;
  /** All lines of the window, the largest mean weight first. */
  readonly lines: readonly ContextLine[];
  /** Another number for other lines. */
  readonly linesId: number;
  readonly isBusy: boolean;
  readonly failure: FailureData | null;
  readonly occlusion: OcclusionState | null;
}

export function toPanelContext({ weights, lines, ...rest }: ContextState): PanelContext {
  return { ...rest, hasWeights: weights !== null, nLines: lines.length };
}
