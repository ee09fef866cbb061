/** What `mta-inspect bench --shapes` measures: models with random weights that open and run like others. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkLength, shapes, textFor } from '../../src/cli/benchShapes';
import { runEager } from '../../src/cli/eagerAttentions';
import { writeRandomModel } from '../../src/cli/randomModel';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { Tokenizer } from '../../src/tokenization/tokenizer';
import { bundledModelDirectory, tinyModelDirectory } from '../fixtures/paths';
import { cliProgram } from '../fixtures/programs';

const scratch = mkdtempSync(join(tmpdir(), 'mta-shapes-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const config = {
  ...{ model_type: 'qwen3', hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, vocab_size: 300 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, head_dim: 8, max_position_embeddings: 64, rms_norm_eps: 1e-5 },
  ...{ rope_theta: 10_000, tie_word_embeddings: true },
};

for (const dtype of ['BF16', 'F16'] as const) {
  test(`random weights as ${dtype} are small numbers of either sign, and run`, async () => {
    const directory = join(scratch, dtype);
    const weightBytes = writeRandomModel(directory, config, dtype, join(tinyModelDirectory, 'tokenizer.json'));
    const folder = await openModelFolder(directory);
    assert.equal(weightBytes, 2 * folder.summary.nParameters);
    assert.ok(statSync(join(directory, 'model.safetensors')).size > weightBytes);
    const runtime = new ModelRuntime(folder, 'cpu', 1);
    const ids = Int32Array.from({ length: 40 }, (_, i) => i);
    let hidden = await runtime.embed(ids);
    const numbers = [...(hidden.data as Float32Array)];
    assert.ok(numbers.every(value => Math.abs(value) > 0.007 && Math.abs(value) < 0.032));
    assert.ok(numbers.some(value => value > 0) && numbers.some(value => value < 0));
    for (const layerIdx of [0, 1]) hidden = await runtime.bareBlock(layerIdx, hidden);
    const { logProbabilities } = await runtime.predict(hidden, [...ids], 5);
    assert.ok(logProbabilities.every(value => Number.isFinite(value) && value < 0));
    await runtime.release();
  });
}

test('the text is long enough for the longest run of every shape, and a shorter run is refused', async () => {
  const { tokenizerJson, summary } = await openModelFolder(bundledModelDirectory);
  const tokenizer = new Tokenizer(tokenizerJson, summary.name);
  for (const { lengths, config } of Object.values(shapes)) {
    const longest = Math.max(...lengths);
    assert.ok(tokenizer.encode(textFor(longest)).ids.length > longest);
    assert.ok(Number(config['max_position_embeddings']) >= longest);
  }
  checkLength(512, 512);
  assert.throws(() => checkLength(16_000, 16_384), /Cannot measure 16384 tokens: the run had 16000\./);
});

test('a Python without PyTorch, or none, is no peer', () => {
  const given = process.env['MTA_PYTHON'];
  process.env['MTA_PYTHON'] = join(scratch, 'no-python');
  assert.equal(runEager(config, [8]), null);
  if (given === undefined) delete process.env['MTA_PYTHON'];
  else process.env['MTA_PYTHON'] = given;
});

test('shapes are chosen by the start of their names, and only with --shapes', () => {
  const bench = (...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', cliProgram, 'bench', ...args], {
      encoding: 'utf8',
    });
    return [status, stderr.split('\n').find(line => line.includes('--only')) ?? stderr] as const;
  };
  const [status, message] = bench('--shapes', '--only', 'GPT');
  assert.equal(status, 2);
  assert.match(message, /--only must begin one of mta-base, SmolLM2-135M, Qwen3-0\.6B, .*, found GPT/);
  assert.match(bench('--only', 'Qwen3').join(), /^2,.*--only needs --shapes/);
});
