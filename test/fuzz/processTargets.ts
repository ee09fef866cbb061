/** Messages between the extension host and the inference process, changed on their way. */

import fc from 'fast-check';
import { InferenceClient } from '../../src/inference/client';
import { EngineSlots } from '../../src/inference/engineSlots';
import { handlersOf } from '../../src/inference/handlers';
import type { AnalyzeArgs, InferenceEvents, InferenceRequests } from '../../src/inference/protocol';
import { requestSchemas } from '../../src/inference/requestSchemas';
import { type None, Rpc } from '../../src/shared/tools/rpc';
import { tinyModelDirectory } from '../fixtures/paths';
import { changedJson } from './mutate';
import type { Target } from './target';

const analyze: AnalyzeArgs = {
  ...{ analysisId: 1, text: 'one two three', textStart: 0, documentLength: 13, anchor: 4 },
  ...{ maxTokens: 16, topK: 4 },
};
const cell = { analysisId: 1, layerIdx: 0, headIdx: 0, stage: 'pattern' } as const;
const range = { first: 3, end: 5 };
const measure = { method: 'mean', heads: [{ layerIdx: 0, headIdx: 1 }], stage: 'mixed_pattern' } as const;

const someHeads = { heads: [{ layerIdx: 1, headIdx: 0 }] };

/** `load` is left out: which files and servers it may name is tested where they are opened. */
const requestSeeds: readonly [Exclude<keyof InferenceRequests, 'load'>, unknown][] = [
  ['ping', null],
  ['unload', { slot: 'compare' }],
  ['analyze', analyze],
  ['analyze', { ...analyze, windowStart: 3, isPinned: true, memoryBudgetMb: 500 }],
  ['overview', cell],
  ['tile', { ...cell, queryStart: 0, keyStart: 0, nQueries: 4, nKeys: 4 }],
  ['patch', { ...cell, queryStart: 1, keyStart: 0, nQueries: 3, nKeys: 4 }],
  ['ablate', { analysisId: 2, baseId: 1, topK: 4, ablation: { scope: 'model', edits: [] } }],
  [
    'ablate',
    {
      ...{ analysisId: 2, baseId: 1, topK: 4 },
      ablation: { scope: 'layer', edits: [{ part: 'pre_softmax_conv', layerIdx: 0, headIdx: 0, weights: null }] },
    },
  ],
  ['headMeasures', { analysisId: 1, layerIdx: 1 }],
  ['kernels', { analysisId: 1, layerIdx: 0 }],
  ['largestChanges', { ...cell, part: 'pre_softmax_conv', k: 3 }],
  ['relevance', { analysisId: 1, range, direction: 'attends', ...measure }],
  ['occlude', { analysisId: 1, occlusionId: 1, target: range, spans: [{ first: 0, end: 2 }], mode: 'remove' }],
  ['rankAblations', { analysisId: 1, withHeads: true }],
  ['explain', { analysisId: 1, row: 3, target: 'actual', cells: [{ layerIdx: 0, headIdx: 1, keyIdx: 2 }] }],
  ['explain', { analysisId: 1, row: 3, target: 7, minus: 8 }],
  ['lens', { analysisId: 1, rows: range, target: 'actual', k: 2 }],
  ['knockOuts', { analysisId: 1, rows: range, target: 'predicted', cuts: [{ keys: { first: 1, end: 2 } }] }],
  [
    'knockOuts',
    {
      ...{ analysisId: 1, rows: range, target: 9 },
      cuts: [{ keys: range, queries: { first: 4, end: 6 }, layers: [1], heads: [{ layerIdx: 0, headIdx: 1 }] }],
    },
  ],
  ['patchParts', { analysisId: 1, row: 3, target: 7, minus: 8, what: 'head', from: 'zero' }],
  ['continueText', { continuationId: 1, text: 'one', nTokens: 2, seed: 1, temperature: 1, topP: 0.9, topK: 2 }],
  ['change', { analysisId: 3, baseId: 1, change: { kind: 'heads', ...someHeads, baseline: 'mean' }, keeps: true }],
  [
    'change',
    { analysisId: 3, baseId: 1, change: { kind: 'edges', cuts: [{ keys: { first: 1, end: 2 } }] }, keeps: false },
  ],
  [
    'change',
    {
      ...{ analysisId: 3, baseId: 1, keeps: true },
      change: { kind: 'patch', what: 'residual', layerIdx: 1, headIdx: null, tokens: range, otherId: 1 },
    },
  ],
  ['ablateHeads', { analysisId: 1, ...someHeads, baseline: 'zero' }],
  ['scoreHeads', { examples: [{ text: 'one two one two', query: { start: 8, end: 11 }, gold: { start: 0, end: 3 } }] }],
  ['readSearchText', { textId: 1, start: 0, firstLine: 0, text: 'one two\nthree' }],
  [
    'searchDocument',
    { searchId: 1, textId: 1, probe: { text: 'two', start: 0, selectionStart: 0 }, maxTokens: 16, ...measure },
  ],
];

const maxContinued = 8;

/** Takes the place of what earlier requests gave to search. */
function readShortText(engines: EngineSlots): void {
  for (const textId of [2, 1]) {
    engines.of().readSearchText({ textId, start: 0, firstLine: 0, text: 'one two\nthree' });
  }
}

/** The process's own end with a loaded model: asks, and says when the answer is there. */
async function openProcess() {
  const engines = new EngineSlots(() => {});
  await engines.load({ modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 });
  let receive: (message: unknown) => void = () => {};
  let onSent: (message: unknown) => void = () => {};
  new Rpc<None, InferenceRequests, None, InferenceEvents>(
    { send: message => onSent(message), onMessage: listener => (receive = listener) },
    handlersOf(engines),
    { args: requestSchemas },
  );
  return async (message: unknown) => {
    // An earlier request may have put another run in its place.
    if (!engines.of().holds(1)) await engines.of().analyze(analyze);
    const { kind, name, args } = (message ?? {}) as { kind?: unknown; name?: unknown; args?: { nTokens?: unknown } };
    const isRequest = kind === 'request';
    // Work takes as long as is asked for: how long a text is searched or continued is not the request's form.
    if (name === 'searchDocument') readShortText(engines);
    if (name === 'continueText' && typeof args?.nTokens === 'number')
      args.nTokens = Math.min(args.nTokens, maxContinued);
    const answered = new Promise<void>(resolve => {
      onSent = answer => {
        if ((answer as { kind: string }).kind !== 'event') resolve();
      };
    });
    receive(message);
    if (isRequest) await answered;
  };
}

let opened: ReturnType<typeof openProcess> | undefined;

/** Every request is answered, by a value or a failure, and the process goes on. */
export const processRequest: Target = {
  name: 'process request',
  inputs: fc
    .constantFrom(...requestSeeds)
    .chain(([name, args]) =>
      changedJson([args, args, args, { kind: 'request', id: 7, name, args }]).map(asMessage(name)),
    ),
  sizeOf: message => JSON.stringify(message)?.length ?? 0,
  async run(message) {
    opened ??= openProcess();
    await (await opened)(message);
  },
};

const asMessage = (name: string) => (changed: unknown) =>
  (changed as { kind?: unknown } | null)?.kind === 'request'
    ? changed
    : { kind: 'request', id: 7, name, args: changed };

const answerSeeds: readonly unknown[] = [
  { kind: 'answer', id: 1, value: { values: [1, 2] } },
  { kind: 'failure', id: 1, failure: { code: 'x', message: 'm', actions: ['showLog'], stack: 's' } },
  { kind: 'event', name: 'log', payload: { level: 'info', message: 'm' } },
  { kind: 'event', name: 'layer', payload: { analysisId: 1, layer: { layerIdx: 0 } } },
  { kind: 'cancel', id: 1 },
  { kind: 'request', id: 1, name: 'ping', args: null },
];

/** Whatever the process says, what was asked of it comes to an end when it does. */
export const processAnswer: Target<readonly unknown[]> = {
  name: 'process answer',
  inputs: fc.array(changedJson(answerSeeds), { minLength: 1, maxLength: 4 }),
  sizeOf: messages => JSON.stringify(messages).length,
  async run(messages) {
    let receive: (message: unknown) => void = () => {};
    let exit: (reason: string) => void = () => {};
    const client = new InferenceClient(() => ({
      send() {},
      kill() {},
      onMessage: listener => (receive = listener),
      onExit: listener => (exit = listener),
    }));
    const asked = client.tile({ ...cell, queryStart: 0, keyStart: 0, nQueries: 1, nKeys: 2 }).catch(() => {});
    for (const message of messages) receive(message);
    exit('the end');
    await asked;
  },
};
