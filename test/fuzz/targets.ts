/** Everything that reads what others wrote, with inputs to start from. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { nothingInspected } from '../../src/analysis/panelState';
import { goldenAttention, goldenModel, parseGoldenCase, parseGoldenIndex } from '../../src/cli/goldenCase';
import { checkToyData } from '../../src/cli/toy';
import { isHuggingFaceConfig, parseHuggingFaceConfig } from '../../src/graph/huggingFaceConfig';
import { parseModelConfig } from '../../src/graph/modelConfig';
import { expectedWeights } from '../../src/graph/modelGraphs';
import { SearchText } from '../../src/inference/experiments/searchText';
import { chatTemplateOf } from '../../src/inference/model/chatTemplate';
import { withinTime } from '../../src/inference/model/withinTime';
import { checkCell, checkRange, checkSelection, checkView } from '../../src/panel/checkRequests';
import { checkAblation } from '../../src/shared/ablation';
import type { ModelSummary } from '../../src/shared/analysis';
import { parseLink } from '../../src/shared/link';
import type { PanelRequests } from '../../src/shared/panel/panelMessages';
import { panelAnswers, panelArguments, relevanceOptions } from '../../src/shared/panel/panelSchemas';
import { Failure } from '../../src/shared/tools/failure';
import { parseSafetensorsHeader, safetensorsHeaderLength } from '../../src/shared/tools/safetensors';
import { checked } from '../../src/shared/tools/schema';
import { Tokenizer } from '../../src/tokenization/tokenizer';
import { root } from '../fixtures/paths';
import { gguf } from './ggufTarget';
import { changedBytes, changedJson, changedJsonBytes } from './mutate';
import { processAnswer } from './processTargets';
import { grpcReply, oipReply } from './remoteTargets';
import { cacheNames, fetchedRecord, hubAnswer, ollamaManifest } from './storeTargets';
import type { Target } from './target';

const fixture = (...names: string[]) => new Uint8Array(readFileSync(join(root, 'test', 'fixtures', ...names)));
const json = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const size = (bytes: Uint8Array) => bytes.length;

/** JSON as its reader gets it: what is no JSON is refused before. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(text(bytes));
  } catch {
    return null;
  }
}

const weights = fixture('tiny-model', 'model.safetensors');
const headerLength = safetensorsHeaderLength(weights, weights.length, 'seed');
const header = json(weights.subarray(8, 8 + headerLength));
const smallHeader = { __metadata__: { format: 'pt' }, w: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] } };

function withLength(headerBytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const right = BigInt(headerBytes.length);
  const length = fc.oneof(
    { weight: 6, arbitrary: fc.constant(right) },
    { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
    { weight: 1, arbitrary: fc.bigInt({ min: -3n, max: 3n }).map(by => (right + by < 0n ? 0n : right + by)) },
  );
  return length.map(n => Uint8Array.from([...new Uint8Array(BigUint64Array.of(n).buffer), ...headerBytes]));
}

const safetensors: Target<{ file: Uint8Array; fileSize: number }> = {
  name: 'safetensors',
  inputs: fc.record({
    file: fc.oneof(changedJsonBytes([header, smallHeader]).chain(withLength), changedBytes(weights.subarray(0, 400))),
    fileSize: fc.oneof(
      fc.constantFrom(0, 8, 40, weights.length, 2 ** 40, 2 ** 40, 2 ** 40, 2 ** 40),
      fc.nat(1_000_000),
    ),
  }),
  sizeOf: ({ file }) => file.length,
  run({ file, fileSize }) {
    const length = safetensorsHeaderLength(file, fileSize, 'f');
    // The reader of the file gives as many bytes as there are.
    for (const [name, entry] of parseSafetensorsHeader(file.subarray(8, 8 + length), fileSize, 'f')) {
      if (!(entry.start >= 8 && entry.start <= entry.end && entry.end <= fileSize)) throw new Error(`range of ${name}`);
    }
  },
};

/** The smallest configuration with all that this reader looks at. */
const huggingFace = {
  ...{ model_type: 'qwen3', hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 },
  ...{ intermediate_size: 128, vocab_size: 300, max_position_embeddings: 512, rms_norm_eps: 1e-6, rope_theta: 1e4 },
  ...{ sliding_window: 64, use_sliding_window: true, max_window_layers: 1, attention_bias: false, eos_token_id: [1] },
  rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 128 },
};
/** What the families and the kinds of scaling add to it. */
const huggingFaceVariants = [
  { model_type: 'llama', mlp_bias: true, tie_word_embeddings: true },
  {
    model_type: 'llama',
    rope_scaling: {
      ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
      original_max_position_embeddings: 128,
    },
  },
  { model_type: 'llama', rope_scaling: { type: 'linear', factor: 2 } },
  { model_type: 'llama', rope_scaling: { type: 'dynamic', factor: 4 } },
  { model_type: 'mistral', rope_scaling: null, head_dim: 16 },
  { model_type: 'qwen2', layer_types: ['full_attention', 'sliding_attention'] },
  { model_type: 'olmo2', rope_parameters: { rope_theta: 5e5, rope_type: 'default' }, rope_scaling: undefined },
  {
    rope_scaling: undefined,
    rope_parameters: {
      rope_type: 'longrope',
      short_factor: Array(8).fill(1),
      long_factor: Array(8).fill(2),
      factor: 4,
    },
  },
  { rope_scaling: { rope_type: 'yarn', factor: 4, mscale: 1, mscale_all_dim: 0.5, beta_fast: 32, beta_slow: 1 } },
].map(variant => ({ ...huggingFace, ...variant }));
const configSeeds = ['tiny-model'].map(name => json(fixture(name, 'config.json')));
const config: Target<Uint8Array> = {
  name: 'config',
  inputs: changedJsonBytes([
    ...configSeeds,
    huggingFace,
    ...huggingFaceVariants,
    { ...configSeeds[0], mta: { use_mta: true, mta_layers: '0, 2' } },
  ]),
  sizeOf: size,
  run(bytes) {
    const read = parsed(bytes);
    const model = isHuggingFaceConfig(read)
      ? parseHuggingFaceConfig(read, 'config.json', null)
      : parseModelConfig(read, 'config.json');
    for (const [key, shape] of expectedWeights(model)) {
      if (!shape.every(n => Number.isSafeInteger(n) && n > 0)) throw new Error(`shape of ${key}: ${shape}`);
    }
  },
};

/** Parts of tokenizers that the seeds lack. */
const tokenizerParts = [
  { pre_tokenizer: { type: 'Split', pattern: { Regex: '\\s+|\\w' }, behavior: 'Removed', invert: true } },
  { normalizer: { type: 'Replace', pattern: { Regex: 'a+' }, content: 'x' } },
  {
    normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }, { type: 'StripAccents' }] },
  },
  {
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      vocab: { '[UNK]': 0, a: 1, '##b': 2 },
      max_input_chars_per_word: 9,
    },
  },
  {
    model: {
      type: 'Unigram',
      unk_id: 0,
      vocab: [
        ['<unk>', 0],
        ['a', -1],
        ['▁', -2],
      ],
    },
    pre_tokenizer: { type: 'Metaspace' },
  },
  {
    decoder: { type: 'ByteFallback' },
    model: { type: 'BPE', vocab: { '<0x61>': 0, a: 1 }, merges: ['a a'], byte_fallback: true },
  },
];
const tinyTokenizer = json(fixture('tiny-model', 'tokenizer.json'));
const byteVocabulary = Object.fromEntries(Object.entries(tinyTokenizer.model.vocab).slice(0, 40));
const smallTokenizer = { ...tinyTokenizer, model: { ...tinyTokenizer.model, vocab: byteVocabulary, merges: [] } };
const documents = [
  '',
  'a',
  `${'a'.repeat(60)}!`,
  ' \t\r\n\ud83d\ude00 x',
  'e\u0301\u0301\u0301 \u202e\u200b\0',
  '<|begin|>\ud800',
];

const tokenizer: Target<{ bytes: Uint8Array; document: string }> = {
  name: 'tokenizer',
  inputs: fc.record({
    bytes: changedJsonBytes([...tokenizerParts.map(part => ({ ...smallTokenizer, ...part })), smallTokenizer]),
    document: fc.constantFrom(...documents),
  }),
  sizeOf: ({ bytes }) => bytes.length,
  run({ bytes, document }) {
    const read = new Tokenizer(parsed(bytes), 'fuzzed', withinTime);
    if (!Number.isInteger(read.maxId)) throw new Error(`largest id ${read.maxId}`);
    const { ids, byteLengths } = read.encode(document);
    if (ids.length !== byteLengths.length) throw new Error('lengths');
    for (const id of ids) if (typeof read.label(id) !== 'string') throw new Error('label');
  },
};

const chatTemplate: Target<Uint8Array> = {
  name: 'chat template',
  inputs: changedJsonBytes([
    { chat_template: '{{ messages }}', bos_token: '<s>', eos_token: { content: '</s>', lstrip: false } },
    { chat_template: [{ name: 'default', template: '{{ messages }}' }], pad_token: null },
    {
      chat_template: [
        { name: 'tool_use', template: '' },
        { name: 'rag', template: '' },
      ],
    },
  ]),
  sizeOf: size,
  run: bytes => void chatTemplateOf(null, parsed(bytes), 'fuzzed'),
};

const bundled = new Tokenizer(
  json(readFileSync(join(root, 'models', 'bundled', 'mta-base', 'tokenizer.json'))),
  'bundled',
);
/** Any text at all through the bundled tokenizer: its tokens must spell it. */
const documentText: Target<string> = {
  name: 'document text',
  inputs: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc
      .array(
        fc.oneof(
          fc.nat(0xffff).map(unit => String.fromCharCode(unit)),
          fc.constantFrom(...documents),
        ),
      )
      .map(all => all.join('')),
    fc.tuple(fc.string({ unit: 'binary', maxLength: 3 }), fc.nat(1000)).map(([unit, n]) => unit.repeat(n)),
  ),
  sizeOf: document => 2 * document.length,
  run(document) {
    const { ids, byteLengths } = bundled.encode(document);
    const spelled = Buffer.concat(Array.from(ids, id => bundled.bytesOf(id)));
    // UTF-8 cannot write lone surrogates: both sides replace them.
    if (!spelled.equals(Buffer.from(document))) throw new Error('the tokens do not spell the text');
    if (byteLengths.reduce((sum, n) => sum + n, 0) !== spelled.length) throw new Error('lengths');
  },
};

const goldenNames = ['attn_t1', 'attn_pre_small', 'lm_tiny_full', 'liger_sparse', 'lm_300m_layer'];
const goldenSeeds = goldenNames.map(name => json(fixture('golden', `${name}.json`)));
const goldenBin = fixture('golden', 'attn_t1.bin');
const toySeed = json(fixture('golden', 'toy_n5.json'));

/** Without the generator's millions of numbers: whether a case may have them is decided before they are made. */
const golden: Target<{ bytes: Uint8Array; isCut: boolean }> = {
  name: 'golden',
  inputs: fc.record({
    bytes: changedJsonBytes([...goldenSeeds.slice(0, 4), { ...toySeed, samples: toySeed.samples.slice(0, 3) }]),
    isCut: fc.boolean(),
  }),
  sizeOf: ({ bytes }) => bytes.length + goldenBin.length,
  run({ bytes, isCut }) {
    const all = new Uint8Array(isCut ? 100 : 1 << 17);
    const read = parseGoldenCase('case', bytes, 'case.json', () => all);
    if (read.kind === 'toy-data') checkToyData(read.json);
    else if (read.kind === 'attention') goldenAttention(read);
    else if (read.kind === 'model') goldenModel(read);
    for (const { data } of read.tensors.values()) if (data.byteLength > all.length) throw new Error('tensor');
  },
};

const goldenIndex: Target<Uint8Array> = {
  name: 'golden index',
  inputs: changedJsonBytes([json(fixture('golden', 'index.json'))]),
  sizeOf: size,
  run: bytes => void parseGoldenIndex(bytes, 'index.json'),
};

const linkSeeds = [
  'file=src/a.ts',
  'root=x~20y&path=src/a~2B.ts&layer=1&at=3',
  'folder=x&file=a.ts&layer=1&head=2&stage=pattern&off=*.*.*&scope=layer&at=3&anchor=9&tab=lens',
];
const link: Target<string> = {
  name: 'link',
  inputs: fc
    .constantFrom(...linkSeeds)
    .chain(seed => changedBytes(new TextEncoder().encode(seed)))
    .map(text),
  sizeOf: query => 2 * query.length,
  run(query) {
    const { file } = parseLink(query);
    if (file.startsWith('/') || file.split('/').includes('..')) throw new Error(`path ${file}`);
  },
  refusesByRange: true,
};

const address = { analysisId: 1, layerIdx: 0, headIdx: 2, stage: 'pattern' };
const requests: readonly [keyof PanelRequests, unknown][] = [
  ['tile', { ...address, queryStart: 0, keyStart: 0, nQueries: 9, nKeys: 256 }],
  ['patch', { ...address, queryStart: 0, keyStart: 0, nQueries: 9, nKeys: 9 }],
  ['largestChanges', { ...address, part: 'pre_softmax_conv' }],
  ['setView', { ...address, difference: false }],
  ['selectToken', { tokenIdx: 3, anchorIdx: null, reveal: true }],
  ['showPlace', { queryIdx: 3, keyIdx: 1 }],
  ['rangeWeights', { ...address, range: { first: 0, end: 4 }, direction: 'attends' }],
  ['setRelevance', { method: 'mean', direction: 'attends', heads: [{ layerIdx: 0, headIdx: 1 }] }],
  ['save', { format: 'svg', colorMap: 'redBlue', scale: 'power' }],
  ['picture', { partIdx: 0, colorMap: 'redBlue', scale: 'power' }],
  ['setAblation', { scope: 'model', edits: [{ part: null, layerIdx: 0, headIdx: null, weights: null }] }],
  ['thumbnails', { analysisId: 1, layerIdx: 0, headStart: 0, nHeads: 8 }],
  ['command', { command: 'cancel' }],
];
const summary = { nLayers: 2, nHeads: 4, layers: [] } as unknown as ModelSummary;
/** What a handler of the request checks against model and run, before it acts. */
const further: Partial<Record<keyof PanelRequests, (args: never) => unknown>> = {
  setView: args => checkView(args, summary),
  selectToken: args => checkSelection(args, 9),
  rangeWeights: args => checkRange(args, 9),
  showPlace: args => checkCell(args, 9),
  setAblation: args => checkAblation(args, [], 4),
};
const refuse = (why: string) => new Failure('bad-message', why);

const panelRequest: Target<{ name: keyof PanelRequests; args: unknown }> = {
  name: 'panel request',
  inputs: fc
    .constantFrom(...requests)
    .chain(([name, seed]) => fc.record({ name: fc.constant(name), args: changedJson([seed]) })),
  sizeOf: ({ args }) => JSON.stringify(args)?.length ?? 0,
  run({ name, args }) {
    const known = checked<unknown>(panelArguments[name], args, refuse);
    further[name]?.(known as never);
  },
  refusesByRange: true,
};

const states: readonly [keyof PanelRequests, unknown][] = [
  ['ready', nothingInspected],
  ['tab', null],
  ['save', true],
  ['ranking', { trainedId: 1, status: 'done', withHeads: true, done: 1, total: 1, effects: [], failure: null }],
];
const panelAnswer: Target<{ name: keyof PanelRequests; value: unknown }> = {
  name: 'panel answer',
  inputs: fc
    .constantFrom(...states)
    .chain(([name, seed]) => fc.record({ name: fc.constant(name), value: changedJson([seed]) })),
  sizeOf: ({ value }) => JSON.stringify(value)?.length ?? 0,
  run: ({ name, value }) => void checked(panelAnswers[name], value, refuse),
};

const lines = ['one two\n', 'three\r\n', '\ud83d\ude00', ' \t', 'e\u0301', '\ud800', ''];
const mapSeeds = [
  [
    { start: 0, firstLine: 0, text: 'one two\nthree\n' },
    { start: 14, firstLine: 2, text: 'four' },
  ],
  [{ start: 9, firstLine: 4, text: 'x\n' }],
];
/** A document's pieces as they come to be searched, in any order. */
const searchText: Target<readonly { start: number; firstLine: number; text: string }[]> = {
  name: 'search pieces',
  inputs: fc.oneof(
    // Pieces that fit, in any order.
    fc
      .tuple(fc.array(fc.array(fc.constantFrom(...lines)), { minLength: 1, maxLength: 6 }), fc.nat(), fc.nat(1000))
      .map(([texts, seed, start]) => {
        let at = start;
        const pieces = texts.map(parts => {
          const piece = { start: at, firstLine: 0, text: parts.join('') };
          at += piece.text.length;
          return piece;
        });
        return pieces.toSorted((a, b) => ((a.start * 7919 + seed) % 13) - ((b.start * 7919 + seed) % 13));
      }),
    changedJson(mapSeeds).filter(isPieces),
  ),
  sizeOf: pieces => pieces.reduce((sum, { text }) => sum + 2 * text.length, 0),
  run(pieces) {
    const read = new SearchText(bundled);
    for (const piece of pieces) read.add(piece);
    const { ids, offsets, lineOf } = read.tokens();
    if (ids.length !== read.nTokens || offsets.length !== ids.length + 1) throw new Error('lengths');
    for (const [i, offset] of offsets.entries()) {
      if (i > 0 && offset < offsets[i - 1]!) throw new Error(`offset ${i} goes back`);
      if (!Number.isInteger(lineOf(offset))) throw new Error(`line of ${offset}`);
    }
  },
  refusesByRange: true,
};

/** The form that the protocol's types promise; its numbers may be anything. */
function isPieces(json: unknown): json is readonly { start: number; firstLine: number; text: string }[] {
  return (
    Array.isArray(json) &&
    json.every(
      piece =>
        typeof piece?.start === 'number' && typeof piece.firstLine === 'number' && typeof piece.text === 'string',
    )
  );
}

/** How relevance is measured, as kept with the workspace. */
const savedRelevance: Target = {
  name: 'saved measure',
  inputs: changedJson([
    { method: 'mean', direction: 'attends', heads: [{ layerIdx: 0, headIdx: 1 }], stage: 'pattern' },
    { method: 'rollout', direction: 'attended', heads: [] },
  ]),
  sizeOf: value => JSON.stringify(value)?.length ?? 0,
  run: value => void checked(relevanceOptions, value, refuse),
};

export const targets: readonly Target[] = [
  safetensors,
  gguf,
  config,
  tokenizer,
  chatTemplate,
  documentText,
  golden,
  goldenIndex,
  link,
  panelRequest,
  panelAnswer,
  searchText,
  savedRelevance,
  oipReply,
  grpcReply,
  processAnswer,
  hubAnswer,
  ollamaManifest,
  fetchedRecord,
  cacheNames,
] as readonly unknown[] as readonly Target[];
