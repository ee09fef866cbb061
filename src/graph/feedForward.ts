/** The feed-forward part of a block: plain, gated, or a mixture of experts. */

import { linear } from './attentionGraph';
import type { GraphBuilder } from './graphBuilder';
import type { LayerPlan } from './layerPlan';
import type { Activation, ExpertsConfig } from './modelConfig';

type WeightOf = (key: string) => string;

/**
 * @param x normalised rows of the stream, [B, N, D].
 * @param weight returns the value name of `feed_forward.<key>` of this layer.
 * @param isDense whether every expert computes every token.
 */
export function addFeedForward(g: GraphBuilder, plan: LayerPlan, x: string, weight: WeightOf, isDense = false): string {
  if (plan.experts) return addExperts(g, plan, plan.experts, x, weight, isDense);
  const project = (name: string, value: string) =>
    linear(g, value, weight(`${name}.weight`), plan.hasFfnBias ? weight(`${name}.bias`) : undefined);
  const activated = addActivation(g, project('w1', x), plan.activation);
  return project('w2', plan.hasGatedFfn ? g.op('Mul', [activated, project('w3', x)]) : activated);
}

function addActivation(g: GraphBuilder, x: string, activation: Activation): string {
  const scaled = (value: string, factor: number) => g.op('Mul', [value, g.scalar(factor)]);
  const plusOne = (value: string) => g.op('Add', [value, g.scalar(1)]);
  switch (activation) {
    case 'silu':
      return g.op('Mul', [x, g.op('Sigmoid', [x])]);
    case 'quick_gelu':
      return g.op('Mul', [x, g.op('Sigmoid', [scaled(x, 1.702)])]);
    case 'gelu':
      return g.op('Mul', [scaled(x, 0.5), plusOne(g.op('Erf', [scaled(x, Math.SQRT1_2)]))]);
    case 'gelu_tanh': {
      const cube = g.op('Mul', [g.op('Mul', [x, x]), x]);
      const inner = scaled(g.op('Add', [x, scaled(cube, 0.044715)]), Math.sqrt(2 / Math.PI));
      return g.op('Mul', [scaled(x, 0.5), plusOne(g.op('Tanh', [inner]))]);
    }
    case 'relu':
      return g.op('Relu', [x]);
    case 'relu2': {
      const positive = g.op('Relu', [x]);
      return g.op('Mul', [positive, positive]);
    }
  }
}

/**
 * Every token's experts of largest router logit, weighted by a softmax of those logits or by their sigmoids, and the expert that
 * all tokens share, times the token's gate if it has one. Another expert reads only the tokens that chose it, unless `isDense`.
 */
function addExperts(
  g: GraphBuilder,
  plan: LayerPlan,
  experts: ExpertsConfig,
  x: string,
  weight: WeightOf,
  isDense: boolean,
): string {
  const { n_experts: nExperts, experts_per_token: perToken, clamped } = experts;
  const flat = g.op('Reshape', [x, g.ints([-1, plan.dim])]);
  const logits = linear(g, flat, weight('router.weight'), clamped ? weight('router.bias') : undefined);
  const [top, chosen] = g.ops('TopK', [logits, g.ints([perToken])], {}, 2) as [string, string];
  const isOnInput = experts.routing === 'sigmoid';
  const shares = isOnInput
    ? g.op('Sigmoid', [top])
    : experts.normalizes
      ? g.op('Softmax', [top], { axis: -1 })
      : g.op('GatherElements', [g.op('Softmax', [logits], { axis: -1 }), chosen], { axis: -1 });
  // [N, E]: 0 for experts that a token did not choose.
  const nothing = g.op('Mul', [logits, g.scalar(0)]);
  const share = g.op('ScatterElements', [nothing, chosen, shares], { axis: -1 });
  const columns = g.ops('Split', [share], { axis: 1, num_outputs: nExperts }, nExperts);
  /** @param tokens [n, D]. @param ofTokens their weights of the expert, [n, 1]. */
  const weighted = (tokens: string, ofTokens: string, expertWeight: WeightOf) =>
    isOnInput
      ? addExpert(g, plan, g.op('Mul', [tokens, ofTokens]), expertWeight, clamped)
      : g.op('Mul', [addExpert(g, plan, tokens, expertWeight, clamped), ofTokens]);
  let sum = g.op('Mul', [flat, g.scalar(0)]);
  for (const [expert, column] of columns.entries()) {
    const expertWeight = (key: string) => weight(`experts.${expert}.${key}`);
    if (isDense) {
      sum = g.op('Add', [sum, weighted(flat, column, expertWeight)]);
      continue;
    }
    const rows = g.op('Squeeze', [
      g.op('Slice', [g.op('NonZero', [column]), g.ints([0]), g.ints([1]), g.ints([0])]),
      g.ints([0]),
    ]);
    const output = weighted(g.op('Gather', [flat, rows]), g.op('Gather', [column, rows]), expertWeight);
    sum = g.op('ScatterND', [sum, g.op('Unsqueeze', [rows, g.ints([-1])]), output], { reduction: 'add' });
  }
  if (experts.shared_dim !== null) {
    const output = addExpert(g, plan, flat, key => weight(`shared_expert.${key}`), null);
    const gated = experts.shared_gate
      ? g.op('Mul', [output, g.op('Sigmoid', [linear(g, flat, weight('shared_expert_gate.weight'))])])
      : output;
    sum = g.op('Add', [sum, gated]);
  }
  return g.op('Reshape', [sum, g.op('Shape', [x])]);
}

function addExpert(
  g: GraphBuilder,
  plan: LayerPlan,
  x: string,
  weight: WeightOf,
  clamped: ExpertsConfig['clamped'],
): string {
  const project = (name: string, value: string) =>
    linear(g, value, weight(`${name}.weight`), clamped ? weight(`${name}.bias`) : undefined);
  if (!clamped) {
    const gate = addActivation(g, project('w1', x), plan.activation);
    return project('w2', g.op('Mul', [gate, project('w3', x)]));
  }
  const limit = g.scalar(clamped.limit);
  const gate = g.op('Min', [project('w1', x), limit]);
  const up = g.op('Clip', [project('w3', x), g.scalar(-clamped.limit), limit]);
  const glu = g.op('Mul', [gate, g.op('Sigmoid', [g.op('Mul', [gate, g.scalar(clamped.alpha)])])]);
  return project('w2', g.op('Mul', [g.op('Add', [up, g.scalar(1)]), glu]));
}
