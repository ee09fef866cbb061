/** What kind of head a head is, named by rules over its measures. Pure. */

import type { HeadMeasures } from '../shared/headMeasures';
import { t } from '../shared/tools/l10n';

export interface HeadKind {
  /** In JSON and on the command line. */
  readonly name: string;
  readonly label: string;
  /** The rule as the user guide has it; its numbers are those of `holds`. */
  readonly rule: string;
  /** What such a head does, in one sentence. */
  readonly meaning: string;
  readonly holds: (measures: HeadMeasures) => boolean;
}

/**
 * The first rule that holds names the head. What a head looks for comes before where it rests: an induction head rests on the first
 * token wherever nothing repeats. A measure that a text does not have (NaN) fulfills no rule.
 */
export const headKinds: readonly HeadKind[] = [
  {
    name: 'induction',
    label: t('Induction'),
    rule: 'induction ≥ 0.1',
    meaning: t('Looks at what followed the same token earlier.'),
    holds: ({ induction }) => induction >= 0.1,
  },
  {
    name: 'duplicate_token',
    label: t('Duplicate token'),
    rule: 'duplicate token ≥ 0.1',
    meaning: t('Looks at earlier places of the same token.'),
    holds: ({ duplicateToken }) => duplicateToken >= 0.1,
  },
  {
    name: 'previous_token',
    label: t('Previous token'),
    rule: 'previous token ≥ 0.3',
    meaning: t('Looks at the token just before.'),
    holds: ({ previousToken }) => previousToken >= 0.3,
  },
  {
    name: 'own_token',
    label: t('Own token'),
    rule: 'own token ≥ 0.4',
    meaning: t('Looks at the token itself.'),
    holds: ({ ownToken }) => ownToken >= 0.4,
  },
  {
    name: 'first_token',
    label: t('First token'),
    rule: 'share of the first token ≥ 0.4',
    meaning: t('Rests on the first token, often a way of doing nothing.'),
    holds: ({ sinkShare }) => sinkShare >= 0.4,
  },
  {
    name: 'copying',
    label: t('Copying'),
    rule: 'copying ≥ 0.3',
    meaning: t('Raises the logit of the very tokens that it attends to, wherever they are.'),
    holds: ({ copying }) => copying >= 0.3,
  },
  {
    name: 'local',
    label: t('Local'),
    rule: 'near tokens ≥ 0.6',
    meaning: t('Looks at the last eight tokens.'),
    holds: ({ nearShare }) => nearShare >= 0.6,
  },
  {
    name: 'diffuse',
    label: t('Diffuse'),
    rule: 'evenness ≥ 0.7',
    meaning: t('Spreads its attention over almost everything.'),
    holds: ({ evenness }) => evenness >= 0.7,
  },
  {
    name: 'mixed',
    label: t('Mixed'),
    rule: 'none of these',
    meaning: t('No single rule holds.'),
    holds: () => true,
  },
];

export function headKindOf(measures: HeadMeasures): HeadKind {
  return headKinds.find(({ holds }) => holds(measures))!;
}
