/**
 * The registry of steps that a layer's attention is made of: what each computes and whether its result can be drawn as a
 * map. Graphs, messages, command line, panel and docs read it, so that a variant of attention is an entry here.
 */

/** What a row (the weights of one query over its keys) sums to: `belowOne` where a share went to no key. */
type RowSum = 'one' | 'belowOne' | 'free';

interface OperatorEntry {
  /** `output`: it acts on what the weights made of the values. */
  readonly on: 'scores' | 'pattern' | 'output';
  /** The stage that it makes; null: what it computes has no map. */
  readonly stage: string | null;
  /** Whether cells may be below 0. */
  readonly isSigned: boolean;
  readonly rowSum: RowSum;
  /** i: query, j: key; S: scores so far, A: weights so far, o: the output of the head. */
  readonly formula: string;
}

/** In the order of computation. A layer has some of them. */
export const operators = {
  score: { on: 'scores', stage: 'scores', isSigned: true, rowSum: 'free', formula: 'S[i, j] = scale · q[i] · k[j]' },
  cap: { on: 'scores', stage: 'capped_scores', isSigned: true, rowSum: 'free', formula: 'c · tanh(S[i, j] / c)' },
  decay: {
    on: 'scores',
    stage: 'decayed_scores',
    isSigned: true,
    rowSum: 'free',
    formula: 'S[i, j] + Σ over tokens k after j, up to i, of ln σ(f[k]), with the forget gate f[k] of the head',
  },
  convolve_scores: {
    on: 'scores',
    stage: 'convolved_scores',
    isSigned: true,
    rowSum: 'free',
    formula: 'Σ over taps (a, b) of K[a, b] · S[i − a, j + b]',
  },
  mix_scores: {
    on: 'scores',
    stage: 'mixed_scores',
    isSigned: true,
    rowSum: 'free',
    formula: 'Σ over heads s of W[h, s] · S of head s at [i, j]',
  },
  softmax: {
    on: 'pattern',
    stage: 'pattern',
    isSigned: false,
    rowSum: 'one',
    formula: 'exp S[i, j] / Σ over keys k of exp S[i, k]',
  },
  sink_softmax: {
    on: 'pattern',
    stage: 'pattern',
    isSigned: false,
    rowSum: 'belowOne',
    formula: 'exp S[i, j] / (exp s + Σ over keys k of exp S[i, k]), with the sink s of the head, a score of no key',
  },
  subtract: {
    on: 'pattern',
    stage: 'differential_pattern',
    isSigned: true,
    rowSum: 'free',
    formula:
      'A of head h / 2 − λ · A of head h / 2 + H / 2 at [i, j], with h / 2 rounded down, H heads and the learned λ of the layer',
  },
  convolve_pattern: {
    on: 'pattern',
    stage: 'convolved_pattern',
    isSigned: true,
    rowSum: 'free',
    formula: 'Σ over taps (a, b) of K[a, b] · A[i − a, j + b]',
  },
  mix_pattern: {
    on: 'pattern',
    stage: 'mixed_pattern',
    isSigned: true,
    rowSum: 'free',
    formula: 'Σ over heads s of W[h, s] · A of head s at [i, j]',
  },
  sum_values: {
    on: 'output',
    stage: null,
    isSigned: true,
    rowSum: 'free',
    formula: 'o[i] = Σ over keys j of A[i, j] · v[j]',
  },
  norm_output: { on: 'output', stage: null, isSigned: true, rowSum: 'free', formula: 'o[i] / RMS(o[i]) · w' },
  norm_pairs: {
    on: 'output',
    stage: null,
    isSigned: true,
    rowSum: 'free',
    formula: 'o[i] / RMS(o[i] of heads 2p and 2p + 1)',
  },
  scale_output: {
    on: 'output',
    stage: null,
    isSigned: true,
    rowSum: 'free',
    formula: 'o[i] times a factor of the layer',
  },
  // One gate for a query's whole row, so it can be drawn on the weights that the output is made of.
  gate: {
    on: 'output',
    stage: 'gated_pattern',
    isSigned: true,
    rowSum: 'free',
    formula: 'σ(g[i]) · A[i, j], with the gate g[i] of the query',
  },
  gate_channels: {
    on: 'output',
    stage: null,
    isSigned: true,
    rowSum: 'free',
    formula: 'σ(g[i]) ⊙ o[i], a gate for every component of the output',
  },
} as const satisfies Readonly<Record<string, OperatorEntry>>;

export type Operator = keyof typeof operators;

export type Stage = NonNullable<(typeof operators)[Operator]['stage']>;

const entries = Object.entries(operators) as [Operator, OperatorEntry & { readonly stage: Stage | null }][];

/** The stages in the order of computation. */
export const stages: readonly Stage[] = [...new Set(entries.flatMap(([, { stage }]) => stage ?? []))];

const byStage = new Map(entries.map(([, entry]) => [entry.stage, entry]));

/** The stages that some operators make, in the order of computation. */
export function stagesBy(of: readonly Operator[]): Stage[] {
  return stages.filter(stage => of.some(operator => operators[operator].stage === stage));
}

/** True for stages before the softmax, whose values are unbounded scores; later stages are weights. */
export function isPreSoftmax(stage: Stage): boolean {
  return byStage.get(stage)!.on === 'scores';
}

/** Whether a stage's cells may be below 0. */
export function isSigned(stage: Stage): boolean {
  return byStage.get(stage)!.isSigned;
}

/** Of a layer's stages the one whose cells multiply the values: what happens to the output comes after. */
export function weightsStage(available: readonly Stage[]): Stage {
  return available.findLast(stage => byStage.get(stage)!.on !== 'output')!;
}

/** What made a row of a layer's stage sum to something else than 1; null where nothing did, and for scores. */
export function rowSumReason(of: readonly Operator[], stage: Stage): Operator | null {
  if (isPreSoftmax(stage)) return null;
  const until = stages.indexOf(stage);
  const isCause = (operator: Operator) => {
    const { stage: made, on, rowSum } = operators[operator];
    return made !== null && on !== 'scores' && rowSum !== 'one' && stages.indexOf(made) <= until;
  };
  return of.findLast(isCause) ?? null;
}
