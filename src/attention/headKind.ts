/** A name for what a head mostly does in a text, from its measures. Pure. */

import type { HeadMeasures } from '../shared/headMeasures';
import { t } from '../shared/tools/l10n';

export const headKinds = ['copies', 'previous', 'repeats', 'first', 'mixed'] as const;
export type HeadKind = (typeof headKinds)[number];

/** As it stands under a picture, after the name of the head. */
export const headKindNames: Readonly<Record<HeadKind, string>> = {
  copies: t('copies'),
  previous: t('token before'),
  repeats: t('repeats'),
  first: t('first token'),
  mixed: t('mixed'),
};

export const headKindMeanings: Readonly<Record<HeadKind, string>> = {
  copies: t('Looks at what followed the same token earlier: induction of at least 0.1.'),
  previous: t('Looks at the token just before: on average at least 0.4 of its attention.'),
  repeats: t('Looks far back at text that repeats or continues the current token: a score of at least 0.1.'),
  first: t('Rests on the first token, often a way of doing nothing: at least half of its attention.'),
  mixed: t('None of the other kinds.'),
};

/** The first kind whose rule holds, in the order of `headKinds`. A measure that a head lacks (NaN) holds no rule. */
export function headKindOf(measures: HeadMeasures): HeadKind {
  if (measures.induction >= 0.1) return 'copies';
  if (measures.previousToken >= 0.4) return 'previous';
  if (measures.contextScore >= 0.1) return 'repeats';
  return measures.sinkShare >= 0.5 ? 'first' : 'mixed';
}
