/**
 * Numbers that tell what kind of head a head is. Computed by attention/measureHead.ts from exact maps.
 *
 * Most measures look at how a query spreads its attention: p[i, j] = |w[i, j]| / sum over j of |w[i, j]|, the share of
 * the row's magnitude. For a pattern that is the weight itself; a mixed pattern has signs and other row sums, and the
 * share is what they leave comparable. Queries whose row holds only zeros are left out. Query 0, which can only look
 * at itself, is left out everywhere.
 */

/** Keys nearer than this count as the query's neighbourhood in `contextScore`. */
export const neighbourhood = 8;

/** Each is a mean over queries; NaN where no query has it (one token; no token occurs twice; no convolution). */
export interface HeadMeasures {
  /** H[i] = -sum p log2 p, in bits: 0 looks at one key, log2(i + 1) at all alike. */
  readonly entropyBits: number;
  /** sum p[i, j] (i - j), in tokens. */
  readonly meanDistance: number;
  /** p[i, i - 1]. Source: "previous token head", Elhage et al., A Mathematical Framework for Transformer Circuits. */
  readonly previousToken: number;
  /**
   * Over queries whose token occurred before: sum of p[i, j + 1] over earlier places j of the same token, j + 1 < i.
   * Source: Olsson et al., In-context Learning and Induction Heads, arXiv 2209.11895 (prefix matching).
   */
  readonly induction: number;
  /** p[i, 0]. Source: Xiao et al., attention sinks, arXiv 2309.17453. */
  readonly sinkShare: number;
  /** Half the L1 distance of softmax(scores) and softmax(scores after the convolution), 0 to 1: total variation. */
  readonly preConvChange: number;
  /** Half the L1 distance of pattern and pattern after the convolution; above 1 where the kernel amplifies. */
  readonly postConvChange: number;
  /**
   * far x focus: `far` is the mean of sum p[i, j] over 0 < j <= i - neighbourhood, `focus` the mean of
   * 1 - H[i] / log2(i + 1). High for heads that look far back at few places, not at the first token: these find
   * context. Our own definition.
   */
  readonly contextScore: number;
}

export type MeasureName = keyof HeadMeasures;
