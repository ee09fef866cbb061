/** The graphs that servers run give the numbers of this machine's own: every part, several lengths, MTA and llama-class. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { blockSizeFor } from '../../src/graph/reductions';
import { servedGraphs } from '../../src/graph/servedGraphs';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { RemoteRuntime } from '../../src/inference/runtime/remote/remoteRuntime';
import { checkShape, datatypeOf, type InferCall, type Tensors } from '../../src/inference/runtime/remote/tensors';
import type { Transport } from '../../src/inference/runtime/remote/transport';
import { Session } from '../../src/inference/runtime/session';
import type { Stage } from '../../src/shared/operators';
import { layerVariants } from '../fixtures/layerVariants';
import { tinyModelDirectory } from '../fixtures/paths';
import { writeRandomModel } from '../fixtures/randomModel';

const scratch = mkdtempSync(join(tmpdir(), 'mta-served-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A server without a line: each request runs its graph here. */
class GraphServer implements Transport {
  readonly stream = null;
  private readonly sessions = new Map<string, Promise<Session>>();

  constructor(
    private readonly graphs: ReadonlyMap<string, Uint8Array>,
    private readonly directory: string,
  ) {}

  async infer({ model, inputs, outputs }: InferCall): Promise<Tensors> {
    const create = () =>
      Session.create(this.graphs.get(model)!, { provider: 'cpu', weightFolder: this.directory, nThreads: 1 });
    const session = this.sessions.get(model) ?? create();
    this.sessions.set(model, session);
    const fetched = await (await session).run(inputs, Object.keys(outputs));
    for (const [name, { type, dims }] of Object.entries(fetched)) {
      checkShape(outputs[name]!, datatypeOf[type], [...dims], `${name} of ${model}`);
    }
    return fetched;
  }

  isReady = async () => true;
  isModelReady = async () => false;
  modelNames = async () => [];
  close(): void {}
}

const directories: [string, () => string][] = [
  ['MTA', () => tinyModelDirectory],
  [
    'llama-class with a sliding window and stretched positions',
    () => {
      const directory = join(scratch, 'llama');
      const rope_scaling = {
        ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
        original_max_position_embeddings: 32,
      };
      const attention = { rope_style: 'half', rope_scaling, sliding_window: 9, sliding_layers: [1], n_kv_heads: 2 };
      writeRandomModel(directory, { ...attention, qkv_bias: true, max_seqlen: 512, mta: { use_mta: false } });
      return directory;
    },
  ],
  ...Object.entries(layerVariants).map(([name, change], i): [string, () => string] => [
    name,
    () => {
      const directory = join(scratch, `variant-${i}`);
      writeRandomModel(directory, { max_seqlen: 512, ...change });
      return directory;
    },
  ]),
];
for (const [what, directoryOf] of directories) {
  for (const nTokens of [1, 5, 64, 300]) {
    test(`${what}, ${nTokens} tokens`, async () => {
      const folder = await openModelFolder(directoryOf());
      const graphs = new Map(
        [...servedGraphs('m', folder.config, folder.weights, ['{}', '{}'])].map(({ name, graph }) => [name, graph]),
      );
      const here = new ModelRuntime(folder, 'cpu', 1);
      const there = new RemoteRuntime(folder, 'm', new GraphServer(graphs, folder.directory), false);
      const ids = Int32Array.from({ length: nTokens }, (_, i) => (i * 7) % folder.config.vocab_size);
      const options = { topK: 6, blockSize: blockSizeFor(nTokens) };
      let hidden = await here.embed(ids);
      close((await there.embed(ids)).data, hidden.data, 'embedding');
      for (let layerIdx = 0; layerIdx < folder.config.n_layers; layerIdx++) {
        const [mine, theirs] = [
          await here.block(layerIdx, hidden, options),
          await there.block(layerIdx, hidden, options),
        ];
        close(theirs.hidden.data, mine.hidden.data, 'stream');
        close((await there.bareBlock(layerIdx, hidden)).data, mine.hidden.data, 'stream alone');
        close(theirs.topKeys.weights, mine.topKeys.weights, 'weights');
        assert.deepEqual(theirs.overviews.map(shape), mine.overviews.map(shape));
        for (const [i, { cells, scales }] of mine.overviews.entries()) {
          close(theirs.overviews[i]!.scales, scales, 'scales');
          close(theirs.overviews[i]!.cells, cells, 'cells', 1); // a value may round to the next step
        }
        const { stages } = folder.summary.layers[layerIdx]!;
        const rows = [Math.floor(nTokens / 3), nTokens] as const;
        const rowsOptions = { stages, heads: [1, 3], queries: rows };
        const [exact, exactThere] = [
          await here.stageRows(layerIdx, mine.rows, rowsOptions),
          await there.stageRows(layerIdx, theirs.rows, rowsOptions),
        ];
        for (const [i, values] of exact.entries()) close(exactThere[i]!, values, stages[i] as Stage);
        assert.deepEqual(await there.trainedKernels(layerIdx), await here.trainedKernels(layerIdx));
        hidden = mine.hidden;
      }
      const targets = Array.from(ids);
      const other = await here.embed(ids);
      const before = [await here.logProbabilities(other), await there.logProbabilities(other)] as const;
      const [mine, theirs] = [
        await here.predict(hidden, targets, 3, before[0]),
        await there.predict(hidden, targets, 3, before[1]),
      ];
      close(theirs.logProbabilities, mine.logProbabilities, 'log-probabilities');
      close(theirs.divergence!, mine.divergence!, 'divergence');
      close((await there.logits(hidden)).data, (await here.logits(hidden)).data, 'logits');
      await here.release();
    });
  }
}

function shape({ stage, blockSize, size }: { stage: Stage; blockSize: number; size: number }) {
  return { stage, blockSize, size };
}

function close(
  found: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
  what: string,
  allowed = 2e-5,
): void {
  assert.equal(found.length, expected.length, what);
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(Number(found[i]) - Number(expected[i]));
    assert.ok(
      difference <= allowed * Math.max(1, Math.abs(Number(expected[i]))),
      `${what}[${i}]: ${found[i]} instead of ${expected[i]}`,
    );
  }
}
