/** Continues tokens and spells what comes, for the command line, other extensions and the editor alike. */

import type { ContinuedToken, ContinueOptions } from '../../shared/interventions';
import type { Experiments } from './experiments';

export interface Speller {
  readonly experiments: Pick<Experiments, 'generate'>;
  /** A token's text, readable. */
  readonly label: (id: number) => string;
  readonly bytesOf: (id: number) => Uint8Array;
  /** The token that ends a text; null where the model has none. */
  readonly endTokenId: number | null;
}

/** A text's tokens as they came. */
export interface Continued {
  /** The first ids' text and that of all tokens; a character that is left unfinished ends it as U+FFFD. */
  readonly text: string;
  readonly tokens: readonly ContinuedToken[];
  readonly ended: 'length' | 'end-token';
}

/**
 * @param ids of the text to continue; `firstIds` follow them and may begin a character that the next token ends.
 * @throws as `generateTokens`.
 */
export async function continueIds(
  { experiments, label, bytesOf, endTokenId }: Speller,
  ids: ArrayLike<number>,
  { firstIds = [], ...options }: ContinueOptions,
  onToken?: (token: ContinuedToken) => void,
  signal?: AbortSignal,
): Promise<Continued> {
  const { nTokens } = options;
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let text = firstIds.map(id => decoder.decode(bytesOf(id), { stream: true })).join('');
  const tokens: ContinuedToken[] = [];
  const prompt = Int32Array.from([...Array.from(ids), ...firstIds]);
  for await (const { id, probability, topIds, topProbabilities } of experiments.generate(prompt, options, signal)) {
    const isLast = id === endTokenId || tokens.length + 1 === nTokens;
    const part = decoder.decode(bytesOf(id), { stream: !isLast });
    const top = Array.from(topIds, (other, i) => ({
      ...{ id: other, text: label(other) },
      probability: topProbabilities[i]!,
    }));
    const token = { id, text: part, probability, top };
    text += part;
    tokens.push(token);
    onToken?.(token);
  }
  if (tokens.length === 0) text += decoder.decode();
  const isEnd = tokens.length < nTokens || tokens.at(-1)?.id === endTokenId;
  return { text, tokens, ended: isEnd ? 'end-token' : 'length' };
}
