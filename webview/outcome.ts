/** What an experiment did, in one form for all kinds: two runs side by side, their divergence, and a verdict. */

import { type Ablation, describeAblation } from '../src/shared/ablation';
import type { Change } from '../src/shared/interventions';
import type { PanelComparison } from '../src/shared/panel/comparison';
import type { PanelState } from '../src/shared/panel/panelMessages';
import { t } from '../src/shared/tools/l10n';
import { changedSides, type Sides, sidesOf } from './counterpart';
import type { ExperimentKind } from './experimentKinds';
import type { ChangeResult, Experiments } from './experiments';
import { sayRank, sayVerdict, sayYardstick } from './outcomeText';

export interface Outcome {
  /** KL of the next token after each position, in bits; null where the two are of different texts or models. */
  readonly klBits: Float32Array | null;
  readonly meanKlBits: number | null;
  readonly verdict: string;
}

const allOff: Ablation = { scope: 'model', edits: [{ part: null, layerIdx: null, headIdx: null, weights: null }] };
const allOffChange: Change = { kind: 'kernels', ablation: allOff };

/**
 * The run with the change on the left, what it is compared with on the right.
 * @returns null where nothing was tried yet, or it is under way.
 */
export function sidesOfExperiment(
  panel: PanelState,
  comparison: PanelComparison | null,
  kind: ExperimentKind,
  result: ChangeResult | null,
): Sides | null {
  if (panel.status !== 'done') return null;
  if (kind === 'compare') return comparison && sidesOf(panel, comparison);
  if (kind === 'ablation') return panel.ablation.effect && sidesOf(panel, null);
  return result && changedSides(panel, result);
}

/** What is to be said of the two sides. */
export function outcomeOf(panel: PanelState, kind: ExperimentKind, sides: Sides, experiments: Experiments): Outcome {
  if (kind === 'compare') {
    return { klBits: null, meanKlBits: null, verdict: sayVerdict(t('Against {0}', sides.right.label), sides, null) };
  }
  const { label, klBits, meanKlBits, yardstick } =
    kind === 'ablation' ? ablationFacts(panel, experiments) : changeFacts(experiments.resultOf(kind)!);
  const said = [sayVerdict(label, sides, meanKlBits)];
  if (yardstick) said.push(sayYardstick(yardstick.label, experiments.yardstick(yardstick.change)));
  const change = kind === 'headsoff' ? experiments.resultOf(kind)!.experiment.change : null;
  if (change) said.push(sayRank(change, experiments.heads.ranked()));
  return { klBits, meanKlBits, verdict: said.filter(text => text !== '').join(' ') };
}

function changeFacts({ experiment: { label, yardstick }, effect: { klBits, meanKlBits } }: ChangeResult) {
  return { label, yardstick, klBits, meanKlBits };
}

/** Of the kernels that are changed now. */
function ablationFacts({ ablation: { shown, effect } }: PanelState, experiments: Experiments) {
  const what = describeAblation(shown);
  const isAll = what === describeAblation(allOff);
  if (!isAll) void experiments.measure(allOffChange);
  const { klBits, meanKlBits } = effect!;
  const yardstick = isAll ? null : { label: t('All of MTA off'), change: allOffChange };
  return { label: what, yardstick, klBits, meanKlBits };
}
