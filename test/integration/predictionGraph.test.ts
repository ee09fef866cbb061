import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Weight } from '../../src/graph/graphBuilder';
import { parseModelConfig } from '../../src/graph/modelConfig';
import { predictionGraph } from '../../src/graph/modelGraphs';
import { relativeDifference } from '../../src/inference/relativeDifference';
import { Session, type Values } from '../../src/inference/session';
import { int64 } from '../../src/inference/values';
import { Random } from '../random';

const random = new Random(1);

/** Vocabularies of one part, of several, and with a last part that is not full. */
for (const vocabSize of [300, 2048, 2500]) {
  test(`the form for GPUs predicts as the other, ${vocabSize} tokens in the vocabulary`, async () => {
    const config = parseModelConfig(
      {
        dim: 8,
        n_layers: 1,
        n_heads: 2,
        head_dim: 4,
        hidden_dim: 16,
        vocab_size: vocabSize,
        max_seqlen: 64,
        weight_tying: true,
      },
      'config',
    );
    const weights = new Map<string, Weight>([
      ['norm.weight', { elementType: 'float32', shape: [8], source: bytesOf(random.floats(8)) }],
      [
        'tok_embeddings.weight',
        { elementType: 'float32', shape: [vocabSize, 8], source: bytesOf(random.floats(8 * vocabSize, 20)) },
      ],
    ]);
    const nTokens = 7;
    const feeds: Values = {
      hidden: { type: 'float32', data: random.floats(nTokens * 8), dims: [1, nTokens, 8] },
      targets: int64(
        Array.from({ length: nTokens }, () => random.below(vocabSize)),
        [1, nTokens],
      ),
      top_k: int64([10], [1]),
    };
    const [plain, forGpu] = await Promise.all(
      [false, true].map(async isForGpu => {
        const session = await Session.create(
          predictionGraph(config, key => weights.get(key)!, { isForGpu }),
          { provider: 'cpu' },
        );
        const fetched = await session.run(feeds);
        await session.release();
        return fetched;
      }),
    );
    assert.deepEqual(forGpu!['top.indices'], plain!['top.indices']);
    for (const name of ['log_probability', 'top.log_probabilities']) {
      const [got, expected] = [forGpu![name]!, plain![name]!].map(value => value.data as Float32Array);
      assert.ok(relativeDifference(got!, expected!) < 1e-5, name);
    }
  });
}

function bytesOf(numbers: Float32Array): { readonly bytes: Uint8Array } {
  return { bytes: new Uint8Array(numbers.buffer) };
}
