/** A tokenizer may have tokens that the model has no row for, such as padding: only their use is an error. */

import { Failure } from '../../shared/tools/failure';
import type { ModelFolder } from './folder';

/** @throws Failure `bad-tokenizer` naming the first token id that the model's embedding has no row for. */
export function checkIds(ids: Int32Array, { config, view, summary }: ModelFolder): void {
  const unknown = ids.find(id => id >= config.vocab_size);
  if (unknown === undefined) return;
  throw new Failure(
    'bad-tokenizer',
    `Cannot run model "${summary.name}" on this text: tokenizer.json gives the token id ${unknown}, ` +
      `${view ? 'its logits say' : 'config.json says'} vocab_size ${config.vocab_size}. Leave the token out of the text, ` +
      'correct the folder’s files or pick another model.',
    ['selectModel', 'showLog'],
  );
}
