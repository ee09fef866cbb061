/** The window of a text that goes through the model, tokenised. Pure. */

import { Failure } from '../shared/failure';
import { chooseWindow, tokenAt, tokenOffsets } from '../tokenization/offsets';
import type { Tokenizer } from '../tokenization/tokenizer';
import type { ModelFolder } from './modelFolder';
import type { AnalyzeArgs, TokensEvent } from './protocol';

/**
 * Tokenises a text and chooses the window around the anchor, with the begin token before it where the model has one.
 * @returns offsets in the document, UTF-16. @throws Failure `empty` if no token remains.
 */
export function openWindow(
  { text, textStart, ...args }: AnalyzeArgs,
  tokenizer: Tokenizer,
  { config, summary }: Pick<ModelFolder, 'config' | 'summary'>,
): Pick<TokensEvent, 'window' | 'tokens'> {
  const encoded = tokenizer.encode(text);
  const textOffsets = tokenOffsets(text, encoded.byteLengths);
  const begin = config.bos_token_id === null ? [] : [config.bos_token_id];
  const room = Math.max(1, Math.min(args.maxTokens, summary.maxSeqlen) - begin.length);
  const anchor = Math.min(Math.max(args.anchor - textStart, 0), text.length);
  const anchorToken = tokenAt(textOffsets, anchor);
  const { first, end } = chooseWindow(encoded.ids.length, anchorToken, room);
  const ids = Int32Array.from([...begin, ...encoded.ids.subarray(first, end)]);
  if (ids.length === 0) {
    throw new Failure('empty', 'There is nothing to inspect: the text is empty. Write something and inspect again.');
  }
  const borders = textOffsets.subarray(first, end + 1);
  const offsets = Uint32Array.from([...begin.map(() => borders[0]!), ...borders], offset => offset + textStart);
  const labels = Array.from(ids, id => tokenizer.label(id));
  const window = { start: offsets[0]!, end: offsets.at(-1)!, documentLength: args.documentLength };
  return { window, tokens: { ids, offsets, labels } };
}
