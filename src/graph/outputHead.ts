/** The output head as part of a graph: logits, the targets' log-probabilities, likeliest tokens, divergence. */

import { addNorm, capped, linear } from './attentionGraph';
import { GraphBuilder, type WeightSource } from './graphBuilder';
import { normOf } from './layerPlan';
import type { ModelConfig } from './modelConfig';
import { largest } from './reductions';

/** Sizes, as fp32, from which the vocabulary's matrix, the largest of a model, is used in parts; each run unpacks a packed one. */
export const maxTableBytes = 32 * 1024 * 1024;
const maxPackedTableBytes = 4 * 1024 * 1024;

/** Begins a graph with the output head in it; `logitsOf` adds the vocabulary logits of another residual stream. */
export function openHead(config: ModelConfig, weights: WeightSource) {
  const g = new GraphBuilder('head');
  const hidden = g.input('hidden', 'float32', ['B', 'T', config.dim]);
  const plan = normOf(config);
  const part = (key: string, exists: boolean) => (exists ? g.weight(key, weights(key)) : undefined);
  const [norm, normBias] = [part('norm.weight', plan.hasWeight), part('norm.bias', plan.hasBias)];
  const bias = part('output.bias', config.head_bias);
  const name = config.weight_tying ? 'tok_embeddings.weight' : 'output.weight';
  const table = weights(name);
  const parts = g.weightParts(name, table, 'packed' in table.source ? maxPackedTableBytes : maxTableBytes);
  const logitsOf = (stream: string) => {
    const normed = addNorm(g, stream, plan, norm, normBias);
    const products = parts.map(part => linear(g, normed, part));
    let logits = products.length === 1 ? products[0]! : g.op('Concat', products, { axis: -1 });
    if (bias !== undefined) logits = g.op('Add', [logits, bias]);
    if (config.logit_scale !== 1) logits = g.op('Mul', [logits, g.scalar(config.logit_scale)]);
    return config.logit_cap === null ? logits : capped(g, logits, config.logit_cap);
  };
  return { g, logits: logitsOf(hidden), logitsOf };
}

/** Input `targets` int64 [batch, T] -> output `log_probability` [batch, T] of the targets. @returns them as [batch, T, 1]. */
export function addTargets(g: GraphBuilder, logProbabilities: string, batch: 'B' | 1): string {
  const targets = g.input('targets', 'int64', [batch, 'T']);
  const target = logProbabilityOf(g, logProbabilities, g.op('Unsqueeze', [targets, g.ints([-1])]));
  g.output('log_probability', g.op('Squeeze', [target, g.ints([-1])]), 'float32', [batch, 'T']);
  return target;
}

/** Output `rank` int32 [B, T]: how many tokens are likelier than the target, plus 1. @param target its logit, [B, T, 1]. */
export function addRank(g: GraphBuilder, logits: string, target: string): void {
  // Counted in fp32, which is exact up to 2^24 tokens and takes less time than integers do.
  const isLikelier = g.cast(g.op('Greater', [logits, target]), 'float32');
  const nLikelier = g.op('ReduceSum', [isLikelier, g.ints([-1])], { keepdims: 0 });
  g.output('rank', g.cast(g.op('Add', [nLikelier, g.scalar(1)]), 'int32'), 'int32', ['B', 'T']);
}

/** Sum of p x over the last axis, which stays with one entry. */
export function weightedSum(g: GraphBuilder, p: string, x: string): string {
  return g.op('ReduceSum', [g.op('Mul', [p, x]), g.ints([-1])], { keepdims: 1 });
}

/** @param targets int64 [B, T, 1]. @returns [B, T, 1]. */
export function logProbabilityOf(g: GraphBuilder, logProbabilities: string, targets: string): string {
  return g.op('GatherElements', [logProbabilities, targets], { axis: -1 });
}

/** Input `top_k` int64 [1] -> outputs `top.indices`, `top.log_probabilities` [batch, T, k] of the likeliest tokens. */
export function addTopK(g: GraphBuilder, logProbabilities: string, batch: 'B' | 1): void {
  const { values, indices } = largest(g, logProbabilities, g.input('top_k', 'int64', [1]));
  g.output('top.indices', g.cast(indices, 'int32'), 'int32', [batch, 'T', 'k']);
  g.output('top.log_probabilities', values, 'float32', [batch, 'T', 'k']);
}

/** KL(before || now) in nats over the last axis, which it removes. Both are log-probabilities. */
export function divergence(g: GraphBuilder, before: string, now: string): string {
  const terms = g.op('Mul', [g.op('Exp', [before]), g.op('Sub', [before, now])]);
  return g.op('ReduceSum', [terms, g.ints([-1])], { keepdims: 0 });
}
