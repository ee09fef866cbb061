/** What the panel says of heads that are tried one after the other. Pure. */

import { t } from '../src/shared/tools/l10n';
import type { HeadTrials, Trial } from './headTrials';

export function trialName({ layerIdx, headIdx }: Trial): string {
  return headIdx === null ? t('all heads of layer {0}', layerIdx) : `L${layerIdx}H${headIdx}`;
}

/** How far the trials are, and how long the rest takes. */
export function sayProgress({ done, total, leftMs }: Pick<HeadTrials, 'done' | 'total' | 'leftMs'>): string {
  const said = t('{0} of {1} tried', done, total);
  if (leftMs === null) return said;
  const seconds = Math.max(1, Math.round(leftMs / 1000));
  return seconds < 90 ? t('{0}, {1} s left', said, seconds) : t('{0}, {1} min left', said, Math.round(seconds / 60));
}
