/** What a tokenizer.json says about how its tokens spell text, for their labels. */

import { type NormalForm, normalForms } from './normalForms';

/** A normaliser, pre-tokenizer or decoder; `Sequence` holds several. */
interface Part {
  readonly type?: unknown;
  readonly replacement?: unknown;
  readonly content?: unknown;
  readonly normalizers?: readonly Part[];
  readonly pretokenizers?: readonly Part[];
  readonly decoders?: readonly Part[];
}

export interface TokenizerJson {
  readonly added_tokens?: unknown;
  readonly model?: { readonly type?: unknown; readonly vocab?: unknown; readonly byte_fallback?: unknown } | null;
  readonly normalizer?: Part | null;
  readonly pre_tokenizer?: Part | null;
  readonly post_processor?: unknown;
  readonly decoder?: Part | null;
}

export interface Spelling {
  /** Tokens are written in the byte-level alphabet. */
  readonly isByteLevel: boolean;
  /** Tokens such as `<0x0A>` stand for a byte. */
  readonly hasByteTokens: boolean;
  /** What tokens write for a blank, such as "▁". */
  readonly mark: string | null;
  readonly form: NormalForm | null;
}

export function spellingOf({ model, normalizer, pre_tokenizer, decoder }: TokenizerJson): Spelling {
  const [normalizers, preTokenizers, decoders] = [flat(normalizer), flat(pre_tokenizer), flat(decoder)];
  const metaspace = preTokenizers.find(({ type }) => type === 'Metaspace');
  const replaces = normalizers.some(({ type, content }) => type === 'Replace' && content === '▁');
  const replacement = typeof metaspace?.replacement === 'string' ? metaspace.replacement : '▁';
  return {
    isByteLevel: [...normalizers, ...preTokenizers, ...decoders].some(({ type }) => type === 'ByteLevel'),
    hasByteTokens: model?.byte_fallback === true,
    mark: metaspace ? replacement : replaces ? '▁' : null,
    form: normalForms.find(form => normalizers.some(({ type }) => type === form)) ?? null,
  };
}

function flat(part: Part | null | undefined): Part[] {
  if (!part) return [];
  const inner = part.normalizers ?? part.pretokenizers ?? part.decoders;
  return part.type === 'Sequence' && Array.isArray(inner) ? inner.flatMap(flat) : [part];
}
