/**
 * Tokens per second of a plain llama-class model: our whole analysis with all its maps, against llama.cpp reading a prompt
 * with a model of the same sizes in fp32 on as many threads. Prints one line per number and, last, one line of JSON.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { peersFolder } from '../../scripts/setup.mjs';
import { benchLines, median } from '../../src/cli/benchLines';
import { Engine } from '../../src/inference/engine';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { root } from '../fixtures/paths';
import { writeGguf } from './gguf';

const modelDirectory = join(root, 'models', 'comparison', 'transformer-base');
const nRounds = 7;
const text = 'The model looks back at the words before it and finds the one that matters here. '.repeat(400);

/** The part of node-llama-cpp that is used, which has no place in our own dependencies. */
interface LlamaSequence {
  clearHistory(): Promise<void>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly number[]): Promise<void>;
}
interface LlamaModel {
  createContext(options: object): Promise<{ getSequence(): LlamaSequence; dispose(): Promise<void> }>;
}
interface LlamaModule {
  getLlama(options: object): Promise<{ loadModel(options: object): Promise<LlamaModel>; dispose(): Promise<void> }>;
}

async function openLlama(): Promise<LlamaModule> {
  const entry = createRequire(join(peersFolder, 'package.json')).resolve('node-llama-cpp');
  return import(pathToFileURL(entry).href);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'mta-prefill-'));
  const { lines, add } = benchLines(line => console.log(line));
  const threads = availableParallelism();
  const engine = await Engine.load({ modelDirectory, provider: 'cpu', nThreads: 0 }, () => {});
  const llama = await (await openLlama()).getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  try {
    const { config } = await openModelFolder(modelDirectory);
    const modelPath = join(scratch, 'peer.gguf');
    writeGguf(modelPath, config);
    const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
    let analysisId = 0;
    for (const nTokens of [512, 1024, 2048]) {
      const context = await model.createContext({ contextSize: nTokens, batchSize: nTokens, sequences: 1, threads });
      const sequence = context.getSequence();
      const ids = Array.from({ length: nTokens }, (_, i) => (i * 7919) % config.vocab_size);
      const [ours, theirs]: [number[], number[]] = [[], []];
      // Other work on the machine hits both when they take turns; the first round warms up.
      for (let i = 0; i <= nRounds; i++) {
        await sequence.clearHistory();
        theirs.push(await timed(() => sequence.evaluateWithoutGeneratingNewTokens(ids)));
        const place = { text: `${i} ${text}`, textStart: 0, documentLength: text.length, anchor: 0 };
        ours.push(
          await timed(() => engine.analyze({ analysisId: ++analysisId, ...place, maxTokens: nTokens, topK: 16 })),
        );
      }
      await context.dispose();
      const [a, b] = [ours, theirs].map(times => (1000 * nTokens) / median(times.slice(1)));
      const what = 'llama.cpp, a prompt without maps or predictions; goal 0.8';
      add(`whole analysis with maps, 25 M parameters, T=${nTokens}`, a!, 'tokens/s', b!, what);
    }
  } finally {
    await engine.release();
    await llama.dispose();
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(JSON.stringify(lines));
}

main().then(
  () => process.exit(0), // llama.cpp's threads would keep it
  error => {
    console.error(error);
    process.exit(1);
  },
);
