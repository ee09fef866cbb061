/** `mta-inspect bench`: every claim of speed or memory, as a ratio against a peer or a limit of the same run. */

import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModelFolder } from '../inference/model/openModelFolder';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../inference/protocol';
import { walkLayers } from '../inference/run/walkLayers';
import { usualBandRows } from '../inference/runtime/bands';
import { ModelRuntime } from '../inference/runtime/modelRuntime';
import { forkInference } from '../inference/startProcess';
import type { Ablation } from '../shared/ablation';
import type { LocalProvider } from '../shared/analysis';
import { Failure } from '../shared/tools/failure';
import { type None, Rpc } from '../shared/tools/rpc';
import { benchBytes } from './benchBytes';
import { benchChoices } from './benchChoices';
import { benchAttribution, benchExperiments } from './benchExperiments';
import { largeModelTokens, runLargeModel } from './benchLargeModel';
import { type AddLine, type BenchLine, benchLines, growth, median } from './benchLines';
import { runLongWindows } from './benchLongWindows';
import { benchMemory, memoryMb } from './benchMemory';
import { benchProvider } from './benchProvider';
import { benchShapes } from './benchShapes';
import { resolveModel } from './modelPaths';

type Client = Rpc<InferenceRequests, None, InferenceEvents, None>;

/** Enough text for the longest window measured; plain words, so that the tokens are usual ones. */
const text = 'The model looks back at the words before it and finds the one that matters here. '.repeat(400);
/** As the test of the real GGUF file leaves it. */
const smolLm2 = join(tmpdir(), 'mta-inspector-tests', 'SmolLM2-135M-Instruct.Q4_1.gguf');
const nRepeats = 5;
/** The most that an ablation can change: every layer is run again. */
const everythingOff: Ablation = {
  scope: 'model',
  edits: [{ part: null, layerIdx: null, headIdx: null, weights: null }],
};

/** @param shapes what of `shapeNames` to measure, instead of everything else. */
export async function runBench(
  model: string | undefined,
  provider: LocalProvider | undefined,
  shapes: readonly string[] | undefined,
  print: (line: string) => void,
): Promise<BenchLine[]> {
  const directory = await resolveModel(model);
  const { lines, add } = benchLines(print);
  if (shapes) {
    await benchShapes(directory, shapes, provider, add, print);
    return lines;
  }
  if (provider) {
    await benchProvider(directory, provider, add, print);
    return lines;
  }
  print(`${directory.split(/[\\/]/).at(-1)}, medians of ${nRepeats} warm runs on the CPU`);
  const folder = await openModelFolder(directory);
  const { config, summary } = folder;
  await benchMemory(folder, await resolveModel('toy-transformer-n5'), add);
  if (summary.weightType) return lines;
  const { maxSeqlen } = summary;
  await benchChoices(config, add);
  for (const nTokens of [512, 1024].filter(length => length <= maxSeqlen)) {
    const bareMs = await bareRunMs(directory, nTokens, nTokens);
    const bandedMs = await bareRunMs(directory, nTokens, usualBandRows);
    const run = await measureProcess(directory, nTokens, nTokens === 512 ? add : undefined);
    if (nTokens === 512) add(`first layer's map, T=${nTokens}`, run.firstLayerMs, 'ms', 1000, 'limit');
    if (nTokens === 512) {
      add(`attribution of a logit, all heads and source tokens, T=${nTokens}`, run.explainMs, 'ms', 250, 'limit');
      add(`ablation of every layer, T=${nTokens}`, run.ablationMs, 'ms', 1500, 'limit');
      add(`ablation of every layer, T=${nTokens}`, run.ablationMs, 'ms', run.totalMs, 'whole analysis');
    }
    add(`whole analysis, T=${nTokens}`, run.totalMs, 'ms', bareMs, 'same layers in bare ONNX Runtime, no taps');
    add(`whole analysis, T=${nTokens}`, run.totalMs, 'ms', bandedMs, 'the same in bands of rows, no taps');
    if (nTokens === 1024) add(`typing at the end, T=${nTokens}`, run.editMs, 'ms', run.totalMs, 'whole analysis');
    if (nTokens === 1024 && Number.isNaN(run.peakMb)) print('peak memory: this system keeps no /proc to read it from');
    else if (nTokens === 1024) add(`peak of the inference process, T=${nTokens}`, run.peakMb, 'MB', 1200, 'limit');
  }
  if (maxSeqlen > 512) await benchExperiments(directory, text, nRepeats, add);
  if (existsSync(smolLm2)) await benchAttribution(smolLm2, text, nRepeats, add);
  else
    print(
      `attribution of a logit, SmolLM2-135M, T=1024: not measured, ${smolLm2} is not there; npm test -- --tier integration ggufFile fetches it`,
    );
  const lengths = [256, 1024, 2048, 4096];
  const peakMb = (child: ChildProcess) => memoryMb(child, 'VmHWM');
  const long = await runLongWindows(directory, lengths, text, peakMb);
  for (const [i, { nTokens, peakMb: peak, estimatedMb }] of long.entries()) {
    const limit = { 2048: 1500, 4096: 3500 }[nTokens];
    if (!Number.isNaN(peak)) {
      if (limit) add(`peak of the inference process, T=${nTokens}`, peak, 'MB', limit, 'limit');
      add(`estimated peak, T=${nTokens}`, estimatedMb, 'MB', peak, 'measured; within 25 %');
    }
    const before = nTokens > 1024 ? long[i - 1] : undefined;
    const exponent = before && growth(new Map([before, long[i]!].map(run => [run.nTokens, run.totalMs])), 0);
    if (exponent) add(`growth of time, ${exponent.range}`, exponent.value, 'exponent', 2, 'limit');
  }
  const large = await runLargeModel(join(directory, 'tokenizer.json'), peakMb);
  if (large) {
    const what = '1.2 B parameters in bf16 on the CPU';
    add(`first map, ${what}`, large.firstMapMs, 'ms', 10_000, 'limit');
    add(`load and analyze T=${largeModelTokens}, ${what}`, large.totalMs, 'ms', 10_000, 'limit');
    add(`peak of the inference process, ${what}`, large.peakMb, 'MB', large.weightMb, 'weights; the limit is 1.3');
    add('estimated peak, 1.2 B parameters', large.estimatedMb, 'MB', large.peakMb, 'measured; within 25 %');
  } else print('a large model: the temporary folder has no room for it');
  return lines;
}

/** Embedding, bare blocks and prediction in this process, with nothing fetched but the residual stream. */
async function bareRunMs(directory: string, nTokens: number, bandRows: number): Promise<number> {
  const folder = await openModelFolder(directory);
  const runtime = new ModelRuntime(folder, 'cpu', 0, bandRows);
  const ids = Int32Array.from({ length: nTokens }, (_, i) => (i * 7919) % folder.config.vocab_size);
  const times: number[] = [];
  for (let i = 0; i <= nRepeats; i++) {
    const start = performance.now();
    const hidden = await walkLayers(runtime, { hidden: await runtime.embed(ids) });
    await runtime.predict(hidden, Array.from(ids), 1);
    times.push(performance.now() - start);
  }
  await runtime.release();
  return median(times.slice(1));
}

/** A forked inference process as the extension uses it: times as the host sees them, over IPC. */
async function measureProcess(directory: string, nTokens: number, addBytes?: AddLine) {
  const child = forkInference(join(__dirname, 'inference.cjs'), 'inherit');
  try {
    const client: Client = new Rpc({ send: m => child.send(m as object), onMessage: f => child.on('message', f) }, {});
    child.on('exit', () => client.close(new Failure('process', 'The inference process ended during the benchmark.')));
    await client.request('load', { protocolVersion, modelDirectory: directory, provider: 'cpu', nThreads: 0 });
    const totals: number[] = [];
    const firsts: number[] = [];
    let analysisId = 0;
    let shown = '';
    const analyze = async (analyzed: string) => {
      const start = performance.now();
      let firstLayerMs = 0;
      const stops = [
        client.on('layer', () => {
          firstLayerMs ||= performance.now() - start;
        }),
        client.on('tokens', ({ window }) => {
          shown = analyzed.slice(window.start, window.end);
        }),
      ];
      await client.request('analyze', {
        ...{ analysisId: ++analysisId, maxTokens: nTokens, topK: 16 },
        ...{ text: analyzed, textStart: 0, documentLength: analyzed.length, anchor: 0 },
      });
      for (const stop of stops) stop();
      return { totalMs: performance.now() - start, firstLayerMs };
    };
    for (let i = 0; i <= nRepeats; i++) {
      const run = await analyze(`${i} ${text}`); // another start each time: nothing can be taken over
      totals.push(run.totalMs);
      firsts.push(run.firstLayerMs);
    }
    const explanations: number[] = [];
    for (let i = 0; addBytes && i <= nRepeats; i++) {
      const start = performance.now();
      await client.request('explain', { analysisId, row: nTokens - 1 - i, target: 'predicted' });
      explanations.push(performance.now() - start);
    }
    if (addBytes) {
      const kept = { analysisId, layerIdx: 0, stage: 'mixed_pattern' } as const;
      await benchBytes(() => client.request('overview', kept), addBytes);
    }
    const written = shown.slice(0, -40);
    const edits: number[] = [];
    for (let i = 0; i <= nRepeats + 1; i++) edits.push((await analyze(`${written} so${' on'.repeat(i)}`)).totalMs);
    const ablations: number[] = [];
    for (let i = 0; i <= nRepeats; i++) {
      const start = performance.now();
      await client.request('ablate', {
        analysisId: analysisId + 1 + i,
        baseId: analysisId,
        ablation: everythingOff,
        topK: 16,
      });
      ablations.push(performance.now() - start);
    }
    return {
      totalMs: median(totals.slice(1)),
      firstLayerMs: median(firsts.slice(1)),
      editMs: median(edits.slice(2)), // the first shortens the text, the second warms up
      ablationMs: median(ablations.slice(1)),
      explainMs: median(explanations.slice(1)),
      peakMb: memoryMb(child, 'VmHWM'),
    };
  } finally {
    child.kill();
  }
}
