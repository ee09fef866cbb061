/** What the panel shows of one prediction: where it comes from, by which heads, and what hiding a line does to it. */

import type { HeadRef, TokenRange } from '../address';
import type { FrozenPart, NamedToken } from '../attribution';

export interface AnswerAddress {
  readonly analysisId: number;
  /** Whose output makes the prediction. */
  readonly row: number;
  /** `actual`: the token that comes after the row; `predicted`: the likeliest one. */
  readonly target: 'actual' | 'predicted';
}

/**
 * - `logit`: what a part adds to the target's logit minus the mean logit, with attention held at its values.
 * - `attention`: the mean over all heads of the weights in the row, for models whose logits cannot be split.
 */
export type AnswerMeasure = 'logit' | 'attention';

export interface TokenAnswer {
  readonly measure: AnswerMeasure;
  /** Why it is not the logit; empty where it is. */
  readonly note: string;
  readonly target: NamedToken | null;
  /** They add up to the logit; null for `attention`. */
  readonly parts: AnswerParts | null;
  /** Earlier lines, the largest magnitude first. */
  readonly lines: readonly AnswerLine[];
  /** The line of the token that is explained. */
  readonly ownLine: number;
  /** Tokens that are in no line of the document, such as the begin token. */
  readonly outside: number;
  /** The largest magnitude first. */
  readonly heads: readonly AnswerHead[];
  readonly frozen: readonly FrozenPart[];
}

export interface AnswerParts {
  readonly logit: number;
  readonly embedding: number;
  readonly heads: number;
  readonly mlps: number;
  readonly other: number;
  readonly remainder: number;
  /** Logits are capped at this magnitude after the parts are added; null where they are not. */
  readonly cap: number | null;
}

export interface AnswerLine {
  /** From 0. */
  readonly lineIdx: number;
  readonly text: string;
  readonly value: number;
  readonly tokens: TokenRange;
  /** Its token of largest magnitude. */
  readonly strongestIdx: number;
}

export interface AnswerHead extends HeadRef {
  readonly value: number;
  /** The token, other than the row's own, that gave most of it. */
  readonly keyIdx: number;
  readonly keyValue: number;
}

export interface HideAddress {
  readonly analysisId: number;
  readonly row: number;
  /** Id of the token whose probability is watched. */
  readonly targetId: number;
  /** Hidden from every token after them, in all layers and heads. */
  readonly keys: TokenRange;
}

export interface HideEffect {
  /** Surprisal of the target that hiding adds, in bits; above zero the tokens helped to predict it. */
  readonly lostBits: number;
  /** The likeliest token then. */
  readonly topLabel: string;
  readonly topProbability: number;
}
