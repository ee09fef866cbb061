/** Embedding and output head compute what plain loops do. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gpuPredictionGraph } from '../../../src/graph/gpuGraphs';
import { type ModelConfig, parseModelConfig } from '../../../src/graph/modelConfig';
import { embedGraph, logitsGraph, logProbabilitiesGraph, predictionGraph } from '../../../src/graph/modelGraphs';
import {
  assertClose,
  divergence,
  floats,
  logitsOf,
  logProbabilities,
  RandomWeights,
  rowsOf,
  runGraph,
  whole,
} from '../../fixtures/referenceBlock';
import { Random } from '../../random';

const sizes = { dim: 6, n_layers: 1, n_heads: 3, hidden_dim: 4, vocab_size: 37, max_seqlen: 16, norm_eps: 0.01 };
const nTokens = 5;
const nTop = 3;
const targets = [4, 0, 36, 17, 16];
const random = new Random(3);
const hidden = rowsOf(random.floats(nTokens * sizes.dim, 2), sizes.dim);
const other = rowsOf(random.floats(nTokens * sizes.dim, 2), sizes.dim);

for (const weight_tying of [true, false]) {
  const config: ModelConfig = parseModelConfig({ ...sizes, weight_tying }, 'config.json');
  const weights = new RandomWeights(config);
  const rows = hidden.map(row => logProbabilities(config, weights, row));
  const before = other.map(row => logProbabilities(config, weights, row));
  const top = rows.map(row => row.toSorted((a, b) => b - a).slice(0, nTop));
  const topIndices = rows.map((row, t) => top[t]!.map(value => row.indexOf(value)));
  const feeds = {
    hidden: floats(hidden.flat(), 1, nTokens, config.dim),
    before: floats(before.flat(), 1, nTokens, config.vocab_size),
    targets: whole(targets, 1, nTokens),
    top_k: whole([nTop], 1),
  };
  const title = weight_tying ? 'tied' : 'untied';

  test(`${title}: embedding, logits, log-probabilities`, async () => {
    const ids = [3, 0, 36];
    const embedded = await runGraph(embedGraph(config, weights.source), { ids: whole(ids, 1, 3) });
    assertClose(
      embedded['hidden']?.data,
      ids.flatMap(id => weights.matrix('tok_embeddings.weight')[id]!),
      'hidden',
    );
    const { logits } = await runGraph(logitsGraph(config, weights.source), feeds);
    assertClose(
      logits?.data,
      hidden.flatMap(row => logitsOf(config, weights, row)),
      'logits',
    );
    const { log_probabilities } = await runGraph(logProbabilitiesGraph(config, weights.source), feeds);
    assertClose(log_probabilities?.data, rows.flat(), 'log_probabilities');
  });

  test(`${title}: predictions, alone and compared`, async () => {
    for (const compares of [false, true]) {
      const run = await runGraph(predictionGraph(config, weights.source, compares ? 'comparison' : 'kept'), feeds);
      assertClose(
        run['log_probability']?.data,
        targets.map((id, t) => rows[t]![id]!),
        'log_probability',
      );
      assert.deepEqual(run['top.indices']?.data, topIndices.flat());
      assertClose(run['top.log_probabilities']?.data, top.flat(), 'top.log_probabilities');
      const apart = rows.map((row, t) => divergence(before[t]!, row));
      if (compares) assertClose(run['divergence']?.data, apart, 'divergence');
      else assertClose(run['log_probabilities']?.data, rows.flat(), 'log_probabilities');
    }
  });

  test(`${title}: the same predictions in one table, as a GPU gives them`, async () => {
    for (const compares of [false, true]) {
      const gpuFeeds = { ...feeds, targets: whole(targets, 1, nTokens, 1), top_blocks: whole([3], 1) };
      const { prediction } = await runGraph(gpuPredictionGraph(config, weights.source, compares), gpuFeeds);
      const expected = rows.map((row, t) => [
        row[targets[t]!]!,
        ...topIndices[t]!,
        ...top[t]!,
        ...(compares ? [divergence(before[t]!, row)] : []),
      ]);
      assertClose(prediction?.data, expected.flat(), 'prediction');
    }
  });
}
