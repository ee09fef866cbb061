/**
 * The tokenizer of a GGUF file as a tokenizer.json: byte-level BPE ("gpt2") and SentencePiece's BPE ("llama"). How a text is
 * cut before BPE is known by a name only (`tokenizer.ggml.pre`); the patterns are those of the models' own tokenizer.json.
 */

import { Failure, shown } from '../../../shared/tools/failure';
import type { Metadata } from './header';

type Json = Readonly<Record<string, unknown>>;

/** `tokenizer.ggml.token_type` */
const kinds = { control: 3, userDefined: 4 } as const;

/** How a byte-level tokenizer cuts a text. */
interface Cut {
  readonly parts: readonly Json[];
  readonly form?: 'NFC';
  /** A whole piece that is a token is not cut into others. */
  readonly ignoresMerges?: boolean;
  /** Texts begin with a token of their own where the file does not say. */
  readonly hasBeginToken?: boolean;
}

const byteLevel = (use_regex: boolean) => ({
  ...{ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex },
});
const byPattern = (Regex: string) => [
  { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
  byteLevel(false),
];
const digitsAlone = { type: 'Digits', individual_digits: true };

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const tail = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const words = String.raw`[^\r\n\p{L}\p{N}]?\p{L}+`;
const digits = (most: number) => (most === 1 ? String.raw`\p{N}` : String.raw`\p{N}{1,${most}}`);
const byWords = (mostDigits: number) => byPattern([contractions, words, digits(mostDigits), tail].join('|'));
/** Words cut where a capital follows small letters; contractions belong to the word before them. */
const byCase = (ending: string, mostDigits: number) => {
  const before = String.raw`[^\r\n\p{L}\p{N}]?`;
  const [upper, lower] = [String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`];
  const both = [`${before}${upper}*${lower}+${ending}`, `${before}${upper}+${lower}*${ending}`];
  const rest = String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
  return byPattern([...both, digits(mostDigits), rest].join('|'));
};

const gpt2: Cut = { parts: [byteLevel(true)] };
const gpt2Digits: Cut = { parts: [digitsAlone, byteLevel(true)] };
const llama3: Cut = { parts: byWords(3), ignoresMerges: true, hasBeginToken: true };
const cuts: Readonly<Record<string, Cut>> = {
  ...{ 'gpt-2': gpt2, 'phi-2': gpt2, mpt: gpt2, olmo: { ...gpt2, form: 'NFC' }, jais: gpt2, 'roberta-bpe': gpt2 },
  ...{ smollm: gpt2Digits, starcoder: gpt2Digits, refact: gpt2Digits, codeshell: gpt2Digits },
  ...{ 'command-r': { ...gpt2Digits, form: 'NFC' } },
  ...{ 'llama-bpe': llama3, llama3, 'llama-v3': llama3 },
  ...{ dbrx: { parts: byWords(3) }, 'smaug-bpe': { parts: byWords(3) } },
  ...{ qwen2: { parts: byWords(1), form: 'NFC' }, 'deepseek-r1-qwen': { parts: byWords(1), form: 'NFC' } },
  'gpt-4o': { parts: byCase(`${contractions}?`, 3) },
  tekken: { parts: byCase('', 1), ignoresMerges: true, hasBeginToken: true },
};

/** @throws Failure naming the key, what was found and what is read. */
export function readTokenizer(metadata: Metadata, where: string): Json {
  const refuse = (key: string, expected: string) => {
    const found = metadata.get(`tokenizer.ggml.${key}`);
    const value = ArrayBuffer.isView(found) ? `a list of ${found.length}` : shown(found);
    return new Failure(
      'bad-tokenizer',
      `Cannot read ${where}: tokenizer.ggml.${key} is ${value}, expected ${expected}. Pick another model.`,
      ['selectModel', 'showLog'],
    );
  };
  const kind = metadata.get('tokenizer.ggml.model');
  const tokens = texts(metadata.get('tokenizer.ggml.tokens'));
  if (!tokens) throw refuse('tokens', 'a list of tokens');
  const types = metadata.get('tokenizer.ggml.token_type');
  const typeOf = (id: number) => (ArrayBuffer.isView(types) ? types[id] : undefined);
  const added = tokens.flatMap((content, id) => {
    const isSpecial = typeOf(id) === kinds.control;
    if (content === '' || (!isSpecial && typeOf(id) !== kinds.userDefined)) return [];
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: isSpecial };
    return [{ id, content, ...flags }];
  });
  const beginId = metadata.get('tokenizer.ggml.bos_token_id');
  const begins = (isDefault: boolean) => {
    if (!(metadata.get('tokenizer.ggml.add_bos_token') ?? isDefault) || beginId === undefined) return null;
    const begin = typeof beginId === 'number' ? tokens[beginId] : undefined;
    if (begin === undefined) throw refuse('bos_token_id', `one of the ${tokens.length} tokens`);
    return template(begin, beginId as number);
  };
  const common = { version: '1.0', truncation: null, padding: null, added_tokens: added };
  if (kind === 'llama') {
    if (metadata.get('tokenizer.ggml.precompiled_charsmap') !== undefined) {
      throw refuse('precompiled_charsmap', 'no such key: texts are not rewritten here');
    }
    const scores = metadata.get('tokenizer.ggml.scores');
    if (!(scores instanceof Float32Array) || scores.length !== tokens.length) {
      throw refuse('scores', `a score for each of the ${tokens.length} tokens`);
    }
    const unknown = metadata.get('tokenizer.ggml.unknown_token_id') ?? 0;
    const unk_token = typeof unknown === 'number' ? (tokens[unknown] ?? null) : null;
    const putsBlank = metadata.get('tokenizer.ggml.add_space_prefix') ?? true;
    return { ...common, ...sentencePiece(tokens, scores, unk_token, putsBlank === true), post_processor: begins(true) };
  }
  if (kind !== 'gpt2') throw refuse('model', '"gpt2" or "llama"');
  const isOldGpt2 = ['gpt2', 'gptneox'].includes(metadata.get('general.architecture') as string);
  const pre = metadata.get('tokenizer.ggml.pre') ?? (isOldGpt2 ? 'gpt-2' : undefined);
  const cut = typeof pre === 'string' && Object.hasOwn(cuts, pre) ? cuts[pre] : undefined;
  if (!cut) throw refuse('pre', `one of ${Object.keys(cuts).join(', ')}`);
  const merges = texts(metadata.get('tokenizer.ggml.merges'));
  if (!merges) throw refuse('merges', 'a list of pairs');
  return {
    ...common,
    normalizer: cut.form ? { type: cut.form } : null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: cut.parts },
    post_processor: begins(cut.hasBeginToken === true),
    decoder: byteLevel(true),
    model: bpe(tokens, merges, { ignore_merges: cut.ignoresMerges === true }),
  };
}

function texts(value: unknown): readonly string[] | null {
  return Array.isArray(value) && value.length > 0 ? (value as string[]) : null;
}

function bpe(tokens: readonly string[], merges: readonly unknown[], options: Json): Json {
  return {
    ...{ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
    ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false },
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges,
    ...options,
  };
}

/** Puts the begin token before every text. */
function template(token: string, id: number): Json {
  const begin = { SpecialToken: { id: token, type_id: 0 } };
  return {
    type: 'TemplateProcessing',
    single: [begin, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [begin, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}

function sentencePiece(tokens: readonly string[], scores: Float32Array, unk_token: string | null, putsBlank: boolean) {
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const normalizers = putsBlank ? [{ type: 'Prepend', prepend: '▁' }, replace] : [replace];
  const decoders = [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(putsBlank ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ];
  return {
    normalizer: { type: 'Sequence', normalizers },
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders },
    model: bpe(tokens, mergesOf(tokens, scores), { unk_token, fuse_unk: true, byte_fallback: true }),
  };
}

/**
 * SentencePiece joins the pair whose token scores highest; a tokenizer.json lists the pairs in that order, all ways to cut a
 * token beside each other.
 */
function mergesOf(tokens: readonly string[], scores: Float32Array): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: { readonly pair: [string, string]; readonly score: number; readonly order: number }[] = [];
  for (const [id, token] of tokens.entries()) {
    if (token.length > maxPieceLength) continue;
    const local: { readonly pair: [string, string]; readonly first: number; readonly second: number }[] = [];
    for (let end = 1; end < token.length; end++) {
      const [left, right] = [token.slice(0, end), token.slice(end)];
      const [first, second] = [ids.get(left), ids.get(right)];
      if (first !== undefined && second !== undefined) local.push({ pair: [left, right], first, second });
    }
    local.sort((a, b) => a.first - b.first || a.second - b.second);
    for (const { pair } of local) merges.push({ pair, score: scores[id]!, order: merges.length });
  }
  const length = (text: string) => [...text].length;
  merges.sort(
    (a, b) =>
      b.score - a.score ||
      length(b.pair[0]) - length(a.pair[0]) ||
      length(b.pair[1]) - length(a.pair[1]) ||
      a.order - b.order,
  );
  return merges.map(({ pair }) => pair);
}

/** SentencePiece's own limit is 16 characters; runs of blanks have more. */
const maxPieceLength = 128;
