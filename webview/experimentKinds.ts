/** The kinds of experiments, and which of them the reader looks at. */

import type { PanelState } from '../src/shared/panel/panelMessages';
import { hasKernels, type State } from './state';

/** Ids of the views of the region `trial`, in their order there. */
export const experimentKinds = ['headsoff', 'ablation', 'hidden', 'edges', 'compare', 'patch'] as const;
export type ExperimentKind = (typeof experimentKinds)[number];

/** Whether a model can have it. */
export function allows(kind: ExperimentKind, panel: PanelState): boolean {
  if (kind === 'compare') return true;
  return kind === 'ablation' ? hasKernels(panel) : panel.model?.viewer === undefined;
}

/** The one whose tab is chosen, or the first that the model can have. */
export function chosenExperiment({ panel, layout }: State): ExperimentKind {
  const offered = experimentKinds.filter(kind => !panel?.model || allows(kind, panel));
  return offered.find(kind => kind === layout.views['trial']) ?? offered[0]!;
}
