/** What the panel says of an experiment. Pure. */

import { finiteMean } from '../src/attention/ablationEffects';
import type { Change } from '../src/shared/interventions';
import { formatBits, formatPlainBits, withLocalMark } from '../src/shared/labels';
import type { ChangeEffect } from '../src/shared/panel/experiment';
import { t } from '../src/shared/tools/l10n';
import { changeOf, meanSurprisal, type Sides } from './counterpart';
import type { HeadTrials } from './headTrials';

/**
 * What the change does to the text, beside what the text costs without it.
 * @param named what was changed.
 * @param meanKlBits null where there is none.
 */
export function sayVerdict(named: string, sides: Sides, meanKlBits: number | null): string {
  const what = `${named.charAt(0).toUpperCase()}${named.slice(1)}`;
  const change = finiteMean(changeOf(sides));
  const before = withLocalMark(meanSurprisal(sides.right.tokens).perToken.toFixed(2));
  if (Number.isNaN(change)) return t('{0}: no surprisal to compare.', what);
  return meanKlBits === null
    ? t('{0}: the text costs {1} bits per token, of {2}.', what, formatBits(change), before)
    : t(
        '{0}: the predictions differ by {1} bits per token (KL), and the text costs {2} bits per token, of {3}.',
        what,
        formatPlainBits(meanKlBits),
        formatBits(change),
        before,
      );
}

/** What it is compared with; empty until that is known. */
export function sayYardstick(label: string, effect: ChangeEffect | null): string {
  if (!effect) return '';
  return t('{0}: {1} and {2} bits.', label, formatPlainBits(effect.meanKlBits), formatBits(effect.meanChangeBits));
}

/** Where a head stands among those that were tried; empty for more than one head, or where it is the only one. */
export function sayRank(change: Change, ranked: ReturnType<HeadTrials['ranked']>): string {
  if (change.kind !== 'heads' || change.heads.length > 1 || ranked.length < 2) return '';
  const { layerIdx, headIdx } = change.heads[0]!;
  const rank = ranked.findIndex(({ trial }) => trial.layerIdx === layerIdx && trial.headIdx === headIdx);
  return rank < 0 ? '' : t('Rank {0} of {1} heads tried.', rank + 1, ranked.length);
}
