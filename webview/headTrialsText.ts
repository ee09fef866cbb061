/** What the panel says of heads that are tried one after the other. Pure. */

import { t } from '../src/shared/tools/l10n';
import type { HeadTrials, Trial } from './headTrials';
import { withTimeLeft } from './pace';

export function trialName({ layerIdx, headIdx }: Trial): string {
  return headIdx === null ? t('all heads of layer {0}', layerIdx) : `L${layerIdx}H${headIdx}`;
}

/** How far the trials are, and how long the rest takes. */
export function sayProgress({ done, total, leftMs }: Pick<HeadTrials, 'done' | 'total' | 'leftMs'>): string {
  return withTimeLeft(t('{0} of {1} tried', done, total), leftMs);
}
