/** What the panel shows, as other extensions may look at it. */

import * as vscode from 'vscode';
import type * as api from '../../api/mtaInspector';
import type { Analysis } from '../analysis/analysis';
import { DisposableStore } from '../lifecycle';
import { offer } from './analysisHandle';

export class ShownRuns implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly layerDone = this.store.add(
    new vscode.EventEmitter<{ readonly analysis: api.Analysis; readonly layer: api.Layer }>(),
  );
  private readonly allDone = this.store.add(new vscode.EventEmitter<api.Analysis>());
  readonly onDidFinishLayer = this.layerDone.event;
  readonly onDidFinish = this.allDone.event;
  private last: { readonly analysisId: number; readonly offered: api.Analysis } | undefined;

  constructor(private readonly analysis: Analysis) {
    this.store.add(
      analysis.onDidFinishLayer(({ layerIdx }) => {
        const offered = this.current;
        const layer = offered?.layers[layerIdx];
        if (offered && layer) this.layerDone.fire({ analysis: offered, layer });
      }),
    );
    this.store.add(
      analysis.onDidFinish(() => {
        const offered = this.current;
        if (offered) this.allDone.fire(offered);
      }),
    );
  }

  /** The current run once its first layer is done. The same object for the same run. */
  get current(): api.Analysis | undefined {
    const { analysisId } = this.analysis.snapshot;
    const run = this.analysis.shownRun;
    if (!run || run.layers.length === 0) return undefined;
    if (this.last?.analysisId !== analysisId) {
      // Later requests are answered from the run as it is then, or as it was last.
      let known = run;
      const runOf = () => {
        const now = this.analysis.shownRun;
        if (now?.analysisId === analysisId) known = now;
        return known;
      };
      // The panel's run stays as long as the panel shows it.
      this.last = { analysisId, offered: offer(runOf, this.analysis.details, () => {}) };
    }
    return this.last.offered;
  }

  dispose(): void {
    this.store.dispose();
  }
}
