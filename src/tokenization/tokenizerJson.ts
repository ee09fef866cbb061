/** What a tokenizer.json says about how its tokens spell text. */

import type { BlankRules } from './alignment';
import type { NormalForm } from './normalization';

/** A normaliser, pre-tokenizer or decoder; `Sequence` holds several. */
interface Part {
  readonly type?: unknown;
  readonly prepend_scheme?: unknown;
  readonly add_prefix_space?: unknown;
  readonly use_regex?: unknown;
  readonly content?: unknown;
  readonly prepend?: unknown;
  readonly normalizers?: readonly Part[];
  readonly pretokenizers?: readonly Part[];
  readonly decoders?: readonly Part[];
}

export interface TokenizerJson {
  readonly model?: { readonly type?: unknown; readonly vocab?: unknown; readonly byte_fallback?: unknown } | null;
  readonly normalizer?: Part | null;
  readonly pre_tokenizer?: Part | null;
  readonly decoder?: Part | null;
}

export interface Spelling extends BlankRules {
  /** Tokens are written in the byte-level alphabet. */
  readonly isByteLevel: boolean;
  /** Tokens such as `<0x0A>` stand for a byte. */
  readonly hasByteTokens: boolean;
  readonly form: NormalForm | null;
}

const mark = '▁';
const forms: readonly unknown[] = ['NFC', 'NFD', 'NFKC', 'NFKD'];

export function spellingOf({ model, normalizer, pre_tokenizer, decoder }: TokenizerJson): Spelling {
  const [normalizers, preTokenizers, decoders] = [flat(normalizer), flat(pre_tokenizer), flat(decoder)];
  const metaspace = preTokenizers.find(({ type }) => type === 'Metaspace');
  const prepends = normalizers.some(({ type, prepend }) => type === 'Prepend' && prepend === mark);
  const byteLevel = preTokenizers.find(({ type }) => type === 'ByteLevel');
  const putsBlank = metaspace
    ? (metaspace.prepend_scheme ?? (metaspace.add_prefix_space === false ? 'never' : 'always')) !== 'never'
    : byteLevel?.add_prefix_space === true;
  return {
    isByteLevel: [...preTokenizers, ...decoders].some(({ type }) => type === 'ByteLevel'),
    hasByteTokens: model?.byte_fallback === true,
    marksBlanks: metaspace !== undefined || normalizers.some(part => part.type === 'Replace' && part.content === mark),
    inserts: prepends ? 'always' : putsBlank ? 'unlessBlank' : 'never',
    form: (normalizers.find(({ type }) => forms.includes(type))?.type as NormalForm | undefined) ?? null,
  };
}

/** GPT-2's way to cut a text, which `ByteLevel` stands for. */
const gpt2Split = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/**
 * The same tokenizer with GPT-2's pattern written out: the library's own one takes a byte order mark for a blank, as
 * JavaScript does, its translation of written patterns does not.
 */
export function withWrittenPattern(json: TokenizerJson): TokenizerJson {
  const rewrite = (part: Part): Part => {
    if (part.type === 'Sequence') return { ...part, pretokenizers: (part.pretokenizers ?? []).map(rewrite) };
    if (part.type !== 'ByteLevel' || part.use_regex === false || part.add_prefix_space === true) return part;
    const split = { type: 'Split', pattern: { Regex: gpt2Split }, behavior: 'Isolated', invert: false };
    return { type: 'Sequence', pretokenizers: [split as Part, { ...part, use_regex: false }] };
  };
  return json.pre_tokenizer ? { ...json, pre_tokenizer: rewrite(json.pre_tokenizer) } : json;
}

function flat(part: Part | null | undefined): Part[] {
  if (!part) return [];
  const inner = part.normalizers ?? part.pretokenizers ?? part.decoders;
  return part.type === 'Sequence' && Array.isArray(inner) ? inner.flatMap(flat) : [part];
}
