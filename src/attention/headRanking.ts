/** Which head to look at: the measures with their names, and heads ordered by one of them. Pure. */

import type { HeadMeasures, MeasureName } from '../shared/headMeasures';
import { t } from '../shared/tools/l10n';

export interface Measure {
  readonly name: MeasureName;
  readonly label: string;
  readonly unit: string;
  /** What a high place in the ranking says of a head, in one sentence. */
  readonly meaning: string;
  /** Whether the smallest value comes first. */
  readonly isAscending: boolean;
}

/** The first is the default: it answers "which head do I look at?". */
export const measures: readonly Measure[] = [
  {
    name: 'contextScore',
    label: t('Finds context'),
    unit: '',
    meaning: t(
      'First come heads that look far back at text that repeats or continues the current token, more than their distances alone would. Even attention gives 0.',
    ),
    isAscending: false,
  },
  {
    name: 'preConvChange',
    label: t('Changed by convolution before softmax'),
    unit: '',
    meaning: t('First come heads whose attention the convolution of the scores moved most (total variation).'),
    isAscending: false,
  },
  {
    name: 'postConvChange',
    label: t('Changed by convolution after softmax'),
    unit: '',
    meaning: t('First come heads whose weights the convolution of the pattern changed most (half the L1 distance).'),
    isAscending: false,
  },
  {
    name: 'induction',
    label: t('Induction'),
    unit: '',
    meaning: t(
      'First come heads that look at what followed the same token earlier, more than chance: they continue repeated text.',
    ),
    isAscending: false,
  },
  {
    name: 'previousToken',
    label: t('Previous token'),
    unit: '',
    meaning: t('First come heads that look at the token just before.'),
    isAscending: false,
  },
  {
    name: 'duplicateToken',
    label: t('Duplicate token'),
    unit: '',
    meaning: t('First come heads that look at earlier places of the same token, more than chance.'),
    isAscending: false,
  },
  {
    name: 'copying',
    label: t('Copying'),
    unit: '',
    meaning: t(
      'First come heads that raise the logit of the very tokens that they attend to, more than those of the text’s other tokens, each by how much it attends: they copy. Chance is 0; below 0 a head lowers what it attends to.',
    ),
    isAscending: false,
  },
  {
    name: 'entropyBits',
    label: t('Entropy'),
    unit: 'bits',
    meaning: t('First come heads that look at the fewest places.'),
    isAscending: true,
  },
  {
    name: 'meanDistance',
    label: t('Mean distance'),
    unit: 'tokens',
    meaning: t('First come heads that look furthest back.'),
    isAscending: false,
  },
  {
    name: 'sinkShare',
    label: t('Share of the first token'),
    unit: '',
    meaning: t('First come heads that rest on the first token, often a way of doing nothing.'),
    isAscending: false,
  },
  {
    name: 'ownToken',
    label: t('Own token'),
    unit: '',
    meaning: t('First come heads that look at the token itself.'),
    isAscending: false,
  },
  {
    name: 'nearShare',
    label: t('Near tokens'),
    unit: '',
    meaning: t('First come heads that look at the last eight tokens, the first token of the text left out.'),
    isAscending: false,
  },
  {
    name: 'evenness',
    label: t('Evenness'),
    unit: '',
    meaning: t('First come heads that spread their attention most evenly.'),
    isAscending: false,
  },
];

export interface MeasuredHead {
  readonly layerIdx: number;
  readonly headIdx: number;
  readonly values: HeadMeasures;
}

/** Heads in the order of a measure, those that lack it last; equal ones by layer and head. Does not change its input. */
export function rankHeads(heads: readonly MeasuredHead[], by: MeasureName): MeasuredHead[] {
  const isAscending = measures.find(({ name }) => name === by)?.isAscending ?? false;
  const key = ({ values }: MeasuredHead) => {
    const value = values[by];
    return Number.isNaN(value) ? Number.POSITIVE_INFINITY : isAscending ? value : -value;
  };
  const compare = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1);
  return [...heads].sort((a, b) => compare(key(a), key(b)) || a.layerIdx - b.layerIdx || a.headIdx - b.headIdx);
}
