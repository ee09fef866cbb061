/** The host's state with the reader's unacknowledged choices applied on top. */

import type { PanelState } from '../src/shared/panel/panelMessages';

type Change = (panel: PanelState) => PanelState;

/**
 * Without the choices a state on its way would take back what was chosen since: two quick steps would end at the first,
 * and a range begun on the second would lose its anchor.
 */
export class OptimisticState {
  private host: PanelState | null = null;
  private choices: readonly Change[] = [];
  /** Updates that overtook the whole state; each is at least as new as it. */
  private early: readonly Change[] = [];

  constructor(private readonly show: (panel: PanelState) => void) {}

  /** Accepts the host's whole state, re-applying unacknowledged choices. */
  receive(host: PanelState): void {
    this.host = this.early.reduce((panel, change) => change(panel), host);
    this.early = [];
    this.showAll();
  }

  /** Accepts an update of the host's state. */
  receiveUpdate(update: Change): void {
    if (this.host) this.receive(update(this.host));
    else this.early = [...this.early, update];
  }

  /**
   * Shows a choice at once; from its answer on, also a refusal, the host's state counts. Another run has other tokens and
   * maybe another model, where the choice means nothing.
   */
  choose(choice: Change, answer: Promise<unknown>): void {
    const analysisId = this.host?.analysisId;
    const change: Change = panel => (panel.analysisId === analysisId ? choice(panel) : panel);
    this.choices = [...this.choices, change];
    this.showAll();
    const settle = () => {
      this.choices = this.choices.filter(other => other !== change);
      this.showAll();
    };
    answer.then(settle, settle);
  }

  private showAll(): void {
    if (this.host) this.show(this.choices.reduce((panel, change) => change(panel), this.host));
  }
}
