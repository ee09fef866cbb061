/** The window of a text that goes through the model, tokenised. Pure. */

import type { TokenRange } from '../../shared/address';
import { Failure } from '../../shared/tools/failure';
import { chooseWindow, tokenAt, tokenOffsets } from '../../tokenization/offsets';
import type { Encoded, Tokenizer } from '../../tokenization/tokenizer';
import type { ModelFolder } from '../model/folder';
import type { AnalyzeArgs, TokensEvent } from '../protocol';

/** Initial guess of characters per token; doubled until the window is full. */
const charactersPerToken = 8;

/** A stretch of the text and its tokens. */
interface Part {
  /** In the text, UTF-16. */
  readonly start: number;
  readonly end: number;
  readonly encoded: Encoded;
  /** Borders of its tokens in the text. */
  readonly offsets: Uint32Array;
}

/**
 * Tokenises what is needed of a text and chooses the window around the anchor, or the one that begins where the last one
 * did, with the begin token before it where the model has one.
 * @returns offsets in the document, UTF-16. @throws Failure `empty` if no token remains.
 */
export function openWindow(
  { text, textStart, ...args }: AnalyzeArgs,
  tokenizer: Pick<Tokenizer, 'encode' | 'label'>,
  { config, summary }: { readonly config: Pick<ModelFolder['config'], 'bos_token_id'>; readonly summary: Sizes },
): Pick<TokensEvent, 'window' | 'tokens'> {
  const begin = config.bos_token_id === null ? [] : [config.bos_token_id];
  const room = Math.max(1, Math.min(args.maxTokens, summary.maxSeqlen) - begin.length);
  const inText = (offset: number) => Math.min(Math.max(offset - textStart, 0), text.length);
  const anchor = inText(args.anchor);
  const encode = (start: number, end: number) => encodePart(tokenizer, text, start, end);
  const kept =
    args.windowStart === undefined || args.windowStart < textStart
      ? undefined
      : keptWindow(encode, text.length, inText(args.windowStart), anchor, room, args.isPinned === true);
  const { part, range } = kept ?? windowAround(encode, text, anchor, room);
  const ids = Int32Array.from([...begin, ...part.encoded.ids.subarray(range.first, range.end)]);
  if (ids.length === 0) {
    throw new Failure('empty', 'There is nothing to inspect: the text is empty. Write something and inspect again.');
  }
  const borders = part.offsets.subarray(range.first, range.end + 1);
  const offsets = Uint32Array.from([...begin.map(() => borders[0]!), ...borders], offset => offset + textStart);
  const labels = Array.from(ids, id => tokenizer.label(id));
  const window = { start: offsets[0]!, end: offsets.at(-1)!, documentLength: args.documentLength };
  return { window, tokens: { ids, offsets, labels } };
}

type Sizes = Pick<ModelFolder['summary'], 'maxSeqlen'>;
type Encode = (start: number, end: number) => Part;
interface Found {
  readonly part: Part;
  readonly range: TokenRange;
}

/** The window that begins at `start`, unless the anchor wants another. */
function keptWindow(
  encode: Encode,
  textLength: number,
  start: number,
  anchor: number,
  room: number,
  isPinned: boolean,
): Found | undefined {
  let length = room * charactersPerToken;
  let part = encode(start, Math.min(textLength, start + length));
  while (part.encoded.ids.length < room && part.end < textLength) {
    length *= 2;
    part = encode(start, Math.min(textLength, start + length));
  }
  const range = { first: 0, end: Math.min(room, part.encoded.ids.length) };
  if (isPinned && range.end > 0) return { part, range };
  const anchorToken = anchor < start ? -1 : tokenAt(part.offsets, anchor);
  const isInside = anchorToken >= 0 && anchorToken < range.end;
  const hasContext = start === 0 || anchorToken >= room / 2;
  return isInside && hasContext && range.end === room ? { part, range } : undefined;
}

/** The window around the anchor, see `chooseWindow`, from as much text as that takes. */
function windowAround(encode: Encode, text: string, anchor: number, room: number): Found {
  for (let reach = room * charactersPerToken; ; reach *= 2) {
    const start = lineStartBefore(text, anchor - reach);
    const part = encode(start, Math.min(text.length, anchor + reach));
    const nTokens = part.encoded.ids.length;
    const anchorToken = tokenAt(part.offsets, anchor);
    const isAll = part.start === 0 && part.end === text.length;
    const hasBefore = part.start === 0 || anchorToken > room * 0.75;
    const hasAfter = part.end === text.length || nTokens - anchorToken > room * 0.25 + 1;
    if (isAll || (hasBefore && hasAfter && nTokens > room)) {
      return { part, range: chooseWindow(nTokens, anchorToken, room) };
    }
  }
}

/** The start of the line that an offset is in, if it is near, so that the same text is cut into the same tokens. */
function lineStartBefore(text: string, offset: number): number {
  if (offset <= 0) return 0;
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  return offset - start < 2000 ? start : borderNear(text, offset);
}

/** The offset, or the next one where it would tear a surrogate pair apart. */
function borderNear(text: string, offset: number): number {
  const isTorn = /[\uDC00-\uDFFF]/.test(text[offset] ?? '') && /[\uD800-\uDBFF]/.test(text[offset - 1] ?? '');
  return isTorn ? offset + 1 : offset;
}

function encodePart(tokenizer: Pick<Tokenizer, 'encode'>, text: string, start: number, limit: number): Part {
  const end = borderNear(text, limit);
  const slice = text.slice(start, end);
  const encoded = tokenizer.encode(slice);
  const offsets = tokenOffsets(slice, encoded.byteLengths).map(offset => offset + start);
  return { start, end, encoded, offsets };
}
