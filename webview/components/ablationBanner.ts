/** Says, above every view, that what is shown is not the model as trained, and takes it back. */

import { type Ablation, describeAblation } from '../../src/shared/ablation';
import type { PanelAblation } from '../../src/shared/panelAblation';
import type { PanelState } from '../../src/shared/panelMessages';
import type { Actions } from '../actions';
import { h, onChange } from '../dom';
import { formatDuration, formatValue } from '../labels';
import type { State } from '../state';
import { button, progressRing } from '../toolkit';

export function createAblationBanner(actions: Actions) {
  const element = h('section', {
    class: 'ablation-banner',
    'aria-live': 'polite',
    'aria-label': 'Ablation',
    hidden: true,
  });
  const draw = onChange((key: string) => {
    const lines = key ? bannerLines(current) : [];
    element.hidden = lines.length === 0;
    const ring = current.isRunning ? [progressRing('Computing the ablated model')] : [];
    const isAblated = current.shown.edits.length > 0 || current.wanted.edits.length > 0;
    const reset = isAblated
      ? [button('Reset', 'secondary', () => actions.stepAblation('reset'), 'Reset ablation')]
      : [];
    element.replaceChildren(...ring, h('div', {}, ...lines.map(line => h('p', {}, line))), ...reset);
  });
  let current!: PanelAblation;
  return {
    element,
    update({ panel }: State): void {
      if (!panel) return;
      current = panel.ablation;
      element.dataset['ablated'] = String(current.shown.edits.length > 0);
      element.dataset['running'] = String(current.isRunning);
      draw(isQuiet(panel) ? '' : JSON.stringify([bannerLines(current), current.isRunning]));
    },
  };
}

function isQuiet({ ablation, tokens }: PanelState): boolean {
  return tokens === null || bannerLines(ablation).length === 0;
}

/** What the banner says, a sentence per line. */
export function bannerLines({ shown, wanted, isRunning, failure, note, trainedId, effect }: PanelAblation): string[] {
  const lines: string[] = [];
  if (shown.edits.length > 0) {
    const numbers = effect
      ? ` Mean KL divergence ${formatPlain(effect.meanKlBits)} bits, surprisal ${formatValue(effect.meanSurprisalChangeBits)} bits per token (${formatDuration(effect.durationMs)}).`
      : '';
    lines.push(`Ablated: ${describeAblation(shown)}.${numbers}`);
  }
  if (failure) lines.push(failure.message);
  else if (isRunning) lines.push(`Computing: ${describeWanted(wanted)} …`);
  else if (wanted.edits.length > 0 && shown.edits.length === 0) {
    const when = trainedId === null ? 'once the analysis is done' : 'with the next analysis';
    lines.push(`The maps are of the model as trained; ${describeAblation(wanted)} will follow ${when}.`);
  }
  if (note) lines.push(note);
  return lines;
}

function describeWanted(wanted: Ablation): string {
  return describeAblation(wanted) || 'the model as trained';
}

/** A number without sign in four digits. */
export function formatPlain(value: number): string {
  return formatValue(value).replace(/^\+/, '');
}
