/** What the components can do; app.ts carries it out. */

import type { PanelCommand, View } from '../src/shared/panelMessages';
import type { Cell } from './heatmap/hitTest';
import type { Layout } from './state';

export interface Actions {
  setView(patch: Partial<View>): void;
  selectToken(tokenIdx: number | null, reveal: boolean): void;
  run(command: PanelCommand): void;
  /** The cell that is looked at; null for none. Selects nothing in the document. */
  pickCell(cell: Cell | null): void;
  /** Shows a view by its id. */
  showTab(id: string): void;
  setLayout(patch: Partial<Layout>): void;
}
