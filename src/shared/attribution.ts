/** A logit split over what was added to the residual stream; see graph/attribution. */

/** The token whose logit is split: the one that came after the row, the likeliest one, or any by its id. */
export type ExplainTarget = 'actual' | 'predicted' | number;

/** What is kept at its value while a logit is split, besides attention weights and the final norm. */
export type FrozenPart = 'norm after attention' | 'per-head norm' | 'gate';

export interface NamedToken {
  readonly id: number;
  readonly text: string;
}

/**
 * logit = embedding + all heads + all mlps + other + remainder. Numbers are logits: natural logarithms up to a constant,
 * which cancels where the logit is centered (its mean over the vocabulary is subtracted) or a difference of two.
 */
export interface LogitAttribution {
  /** Whose output makes the logit. */
  readonly row: number;
  readonly target: NamedToken;
  /** Whose logit is subtracted; null for none. */
  readonly minus: NamedToken | null;
  readonly isCentered: boolean;
  readonly logit: number;
  readonly embedding: number;
  /** [layer, head] */
  readonly heads: Float64Array;
  /** [layer] */
  readonly mlps: Float64Array;
  /** Biases that no head and no MLP adds. */
  readonly other: number;
  /** What the parts miss: rounding, and what the cap changes, which comes after they are added. */
  readonly remainder: number;
  /** Logits are cap * tanh(sum / cap); null where they are not capped. */
  readonly cap: number | null;
  /** Per source token 0 to `row`, over all heads: [row + 1]. */
  readonly tokens: Float64Array;
  /** Per head and source token: [layer, head, row + 1]. */
  readonly cells: Float32Array;
  readonly frozen: readonly FrozenPart[];
  /** Of the cells that were asked for, in their order; absent where none were. */
  readonly splits?: readonly CellSplit[];
}

/** A cell of a head's last stage, at the row that is explained. */
export interface CellAddress {
  readonly layerIdx: number;
  readonly headIdx: number;
  readonly keyIdx: number;
}

/**
 * What one cell adds to the logit, split over the cells of the pattern (the softmax's output) that convolution and head mixing
 * make it of: contribution = sum of the parts, part = weight * pattern * what a weight of 1 would add. The softmax and what
 * comes before it are held at their values.
 */
export interface CellSplit extends CellAddress {
  readonly contribution: number;
  readonly parts: readonly CellPart[];
}

/** One tap of one source head. */
export interface CellPart {
  readonly headIdx: number;
  readonly queryIdx: number;
  readonly keyIdx: number;
  /** Of the kernel's tap, times the weight of the source head in the mix. */
  readonly weight: number;
  readonly pattern: number;
  readonly contribution: number;
}
