/** What the components can do; app.ts carries it out. */

import type { Ablation } from '../src/shared/ablation';
import type { Cell } from '../src/shared/address';
import type { AblationStep } from '../src/shared/panel/panelAblation';
import type { PanelCommand, View } from '../src/shared/panel/panelMessages';
import type { Layout } from './state';

export interface Actions {
  setView(patch: Partial<View>): void;
  /** @param anchorIdx the other end of a range; null or left out for a single token. */
  selectToken(tokenIdx: number | null, reveal: boolean, anchorIdx?: number | null): void;
  run(command: PanelCommand): void;
  /** The cell that is looked at; null for none. Selects nothing in the document. */
  pickCell(cell: Cell | null): void;
  /** Shows a view, or a page, by its id. */
  showTab(id: string): void;
  /** Computes the document with changed kernels; the state shows when it is done. */
  setAblation(ablation: Ablation): void;
  stepAblation(step: AblationStep): void;
  setLayout(patch: Partial<Layout>): void;
}
