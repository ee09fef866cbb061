/**
 * Numbers that say what kind of head a head is. Computed by attention/measureHead.ts from exact maps.
 *
 * Most measures look at how a query spreads its attention: p[i, j] = |w[i, j]| / sum over j of |w[i, j]|, the share of
 * the row's magnitude. For a pattern that is the weight itself; a mixed pattern has signs and other row sums, and the
 * share is what they leave comparable. Queries whose row holds only zeros are left out. Query 0, which can only look
 * at itself, is left out everywhere.
 *
 * Two measures ask whether a head looks at certain keys because of what they are. They subtract what a head would give
 * that looks equally far and at no content. Distances i - j are cut into octaves (1, 2-3, 4-7, 8-15, ...), and
 *
 *     c[i, j] = sum over the keys j' of j's octave of p[i, j']  /  number of these keys
 *
 * spreads the share of each octave evenly over its keys. Only keys that the query sees count (a sliding window ends them),
 * and not key 0, whose share stays its own. A head that spreads evenly, over everything or over the last 32 tokens, that
 * rests on the first token, or that looks at the token before it, gives 0 in both.
 */

/** Keys nearer than this count as the query's neighbourhood in `contextScore` and `nearShare`. Where an octave begins. */
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
   * sum of p[i, j + 1] - c[i, j + 1] over earlier places j of the query's token, j + 1 < i, over queries that have such a
   * place within reach. Between -1 and 1; 0 is chance.
   * After Olsson et al., In-context Learning and Induction Heads, arXiv 2209.11895 (prefix matching), who measure p alone
   * on random tokens that are repeated once, where each token has one earlier place and chance is near 0. In the text of
   * a document tokens have many earlier places, so what the places get by chance is subtracted.
   */
  readonly induction: number;
  /**
   * sum of p[i, j] - c[i, j] over earlier places j of the query's token, 0 < j < i, over queries that have such a place
   * within reach. Between -1 and 1; 0 is chance.
   * After Wang et al., Interpretability in the Wild, arXiv 2211.00593 (duplicate token heads).
   */
  readonly duplicateToken: number;
  /** p[i, i]. */
  readonly ownToken: number;
  /** sum of p[i, j] over i - j < neighbourhood, without key 0. */
  readonly nearShare: number;
  /** H[i] / log2(i + 1), 0 to 1: 1 looks at everything alike. */
  readonly evenness: number;
  /** p[i, 0]. Source: Xiao et al., attention sinks, arXiv 2309.17453. */
  readonly sinkShare: number;
  /** Half the L1 distance of softmax(scores) and softmax(scores after the convolution), 0 to 1: total variation. */
  readonly preConvChange: number;
  /** Half the L1 distance of pattern and pattern after the convolution; above 1 where the kernel amplifies. */
  readonly postConvChange: number;
  /**
   * sum of p[i, j] - c[i, j] over the keys j in C[i], over queries that have such a key. C[i] are the keys with
   * 0 < j <= i - neighbourhood, within reach, that repeat the query's token (t[j] = t[i]), that followed it
   * earlier (t[j - 1] = t[i]), or that are the token to be predicted (t[j] = t[i + 1]). Between -1 and 1; 0 is chance. Our own
   * definition.
   */
  readonly contextScore: number;
  /**
   * sum of w[i, j] r[j] over the keys 0 < j < i, divided by sum over j of |w[i, j]|: how much of its attention a head spends
   * on copying, that is on raising the logit of the very token that it attends to. Between -1 and 1; 0 is chance, and below 0
   * the head lowers what it attends to. NaN without the model's weights, as for an ONNX file or a server.
   *
   *     r[j] = 2 (number of tokens t of V whose logit the head raises less than that of token j) / (|V| - 1) - 1
   *
   * V are the distinct tokens of the text (256 of them where there are more; keys whose token is not among them are left out),
   * ties count half. What the head adds to the logit of t is s[j, t] = (v[j] Wo) . u[t], with the token's row u[t] of the
   * unembedding times the weight of the final norm. Scales of norms and gates of whole heads do not change the order.
   * After the OV circuit of Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, and the copy score of Wang et
   * al., arXiv 2211.00593, who count how often the token is among the first five; measured here on the values of the text, not on
   * embeddings alone.
   */
  readonly copying: number;
}

export type MeasureName = keyof HeadMeasures;
