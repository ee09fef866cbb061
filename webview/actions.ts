/** What the components can do; app.ts carries it out. */

import type { PanelCommand, View } from '../src/shared/panelMessages';
import type { Layout } from './state';

export interface Actions {
  setView(patch: Partial<View>): void;
  selectToken(tokenIdx: number | null, reveal: boolean): void;
  run(command: PanelCommand): void;
  setLayout(patch: Partial<Layout>): void;
}
