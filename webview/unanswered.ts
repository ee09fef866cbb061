/** What the reader has just chosen, kept over states that the host sent before it was told. */

import type { PanelState } from '../src/shared/panel/panelMessages';

type Change = (panel: PanelState) => PanelState;

/**
 * The host's state with the reader's unanswered choices over it. Without them a state on its way would take back what
 * was chosen since: two quick steps would end at the first, and a range begun on the second would lose its anchor.
 */
export class Unanswered {
  private told: PanelState | null = null;
  private choices: readonly Change[] = [];

  constructor(private readonly show: (panel: PanelState) => void) {}

  /** Takes the host's word, for all but the choices it has not answered yet. */
  receive(told: PanelState): void {
    this.told = told;
    this.showAll();
  }

  /** Takes a part of the host's word. */
  receiveChange(change: Change): void {
    if (this.told) this.receive(change(this.told));
  }

  /**
   * Shows a choice at once; from its answer on, also a refusal, the host's state counts. Another run has other tokens and
   * maybe another model, where the choice means nothing.
   */
  choose(choice: Change, answer: Promise<unknown>): void {
    const analysisId = this.told?.analysisId;
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
    if (this.told) this.show(this.choices.reduce((panel, change) => change(panel), this.told));
  }
}
