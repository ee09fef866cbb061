/**
 * Benchmark of experiments, in this process and on one thread: each as a ratio against one analysis of the same text, or a
 * limit. What counts is the processor's time, which other programs do not change much.
 */

import { Engine } from '../inference/engine';
import type { Cuts } from '../inference/experiments/knockOutRuns';
import { targetsOf } from '../inference/run/predictions';
import { type AddLine, median } from './benchLines';

const nTokens = 512;
const nLines = 20;
const nGenerated = 40;
const nPatched = 128;
const nAttributed = 1024;

/** @param text of at least the window. */
export async function benchExperiments(directory: string, text: string, nRepeats: number, add: AddLine): Promise<void> {
  let ids = new Int32Array();
  const engine = await Engine.load({ modelDirectory: directory, provider: 'cpu', nThreads: 1 }, (name, payload) => {
    if (name === 'tokens') ids = (payload as { tokens: { ids: Int32Array<ArrayBuffer> } }).tokens.ids;
  });
  try {
    let analysisId = 0;
    const analyze = () => {
      const analyzed = `${analysisId} ${text}`; // another start each time: nothing can be taken over
      const place = { textStart: 0, documentLength: analyzed.length, anchor: 0 };
      return engine.analyze({ analysisId: ++analysisId, text: analyzed, ...place, maxTokens: nTokens, topK: 16 });
    };
    const { experiments } = engine;
    const lens = () =>
      experiments.logitLens({ analysisId, rows: { first: 0, end: ids.length }, targets: targetsOf(ids), k: 5 });
    const what = `T=${nTokens}`;
    const [runMs, lensMs] = await mediansInTurn(nRepeats, [analyze, lens]);
    add(`logit lens of all positions, ${what}`, lensMs!, 'ms', runMs!, 'whole analysis; the limit is 1');
    const end = ids.length - 1;
    const rows = { first: end - 1, end, targets: [ids[end]!] };
    const knockOuts = async () => {
      const runner = await experiments.knockOuts(analysisId, rows);
      for (let line = 0; line < nLines; line++) await runner.without(cutsOfLine(line, end, engine.model.nLayers));
    };
    const cutsMs = await medianMs(2, knockOuts);
    add(`knock-outs of ${nLines} lines, ${what}`, cutsMs, 'ms', runMs!, 'whole analysis; the limit is 8');
    let row = ids.length - 2;
    const explain = () => engine.explain({ analysisId, row: row--, target: 'actual' });
    await explain(); // the first one opens its sessions
    add(`why a word was predicted, computed, ${what}`, await medianMs(nRepeats, explain), 'ms', 300, 'limit');
    let headIdx = 0;
    const ablate = () => {
      const heads = [{ layerIdx: 0, headIdx: headIdx++ % engine.model.nHeads }];
      return engine.ablateHeads({ analysisId, heads, baseline: 'mean' });
    };
    await ablate();
    add(`a head off, ${what}`, await medianMs(nRepeats, ablate), 'ms', runMs!, 'whole analysis');
    await benchPatching(engine, ids.subarray(0, nPatched), add);
    const times: number[] = [];
    const options = { nTokens: nGenerated, seed: 0, temperature: 0, topP: 1, topK: 5 };
    let last = 0;
    for await (const _ of experiments.generate(ids, options)) {
      if (last > 0) times.push(processorMs() - last);
      last = processorMs();
    }
    add(`a generated token after ${what}`, median(times), 'ms', 50, 'limit');
  } finally {
    await engine.release();
  }
}

/**
 * Patches every head of every layer, and all heads of a layer together, against one bare run for each of these. Texts that
 * differ from their middle on are the usual case, from the second token on the worst: rows before that are not computed again.
 */
async function benchPatching(engine: Engine, clean: Int32Array, add: AddLine): Promise<void> {
  const { experiments, model } = engine;
  const row = clean.length - 1;
  const source = { ids: clean, counterparts: clean.map((_, i) => i), row };
  const task = { source, kind: 'head', row, target: 1, minus: 2 } as const;
  const patch = (differsAt: number) => () =>
    experiments.patch({ ...task, ids: clean.map((id, i) => (i === differsAt ? (id + 1) % model.vocabSize : id)) });
  const run = () => engine.score(clean);
  const [middleMs, worstMs, runMs] = await mediansInTurn(2, [patch(clean.length / 2), patch(1), run]);
  const each = runMs! * model.nLayers * (model.nHeads + 1);
  const what = 'one bare run for each';
  const name = `patches head by head, T=${clean.length}`;
  add(`${name}, texts differ from the middle on`, middleMs!, 'ms', each, `${what}; the limit is 1/3`);
  add(`${name}, texts differ from the second token on`, worstMs!, 'ms', each, `${what}; the limit is 1/3`);
}

/** Attribution of one token of a model of 135 M parameters, where its file is. */
export async function benchAttribution(file: string, text: string, nRepeats: number, add: AddLine): Promise<void> {
  const engine = await Engine.load({ modelDirectory: file, provider: 'cpu', nThreads: 1 }, () => {});
  try {
    const analyzed = { text, textStart: 0, documentLength: text.length, anchor: 0 };
    await engine.analyze({ analysisId: 1, ...analyzed, maxTokens: nAttributed, topK: 16 });
    const explain = () => engine.explain({ analysisId: 1, row: nAttributed - 2, target: 'actual' });
    const name = `attribution of a logit, ${engine.model.name}, T=${nAttributed}`;
    add(name, await medianMs(nRepeats, explain), 'ms', 1500, 'limit');
  } finally {
    await engine.release();
  }
}

/** The edges of one of some lines that fill the window. */
function cutsOfLine(line: number, end: number, nLayers: number): Cuts {
  const first = 1 + Math.floor((line * (end - 2)) / nLines);
  const keys = { first, end: 1 + Math.floor(((line + 1) * (end - 2)) / nLines) };
  const cut = { keys, queries: { first: keys.end, end }, heads: null };
  return new Map(Array.from({ length: nLayers }, (_, layerIdx) => [layerIdx, [cut]]));
}

async function medianMs(nRepeats: number, work: () => Promise<unknown>): Promise<number> {
  return (await mediansInTurn(nRepeats, [work]))[0]!;
}

/** Processor time of several works, done in turn so that all of them meet the machine as it is. */
async function mediansInTurn(nRepeats: number, works: readonly (() => Promise<unknown>)[]): Promise<number[]> {
  const times = works.map((): number[] => []);
  for (let i = 0; i <= nRepeats; i++) {
    for (const [workIdx, work] of works.entries()) {
      const start = processorMs();
      await work();
      if (i > 0) times[workIdx]!.push(processorMs() - start);
    }
  }
  return times.map(median);
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
