/** What is going on and what to do next: empty state, progress, failure, staleness, and what the window left out. */

import { providerNames } from '../../src/shared/analysis';
import type { FailureAction } from '../../src/shared/failure';
import type { PanelCommand, PanelState } from '../../src/shared/panelMessages';
import type { Actions } from '../actions';
import { h, onChange } from '../dom';
import { formatDuration } from '../labels';
import { isLayerReady, type State } from '../state';
import { button, progressRing } from '../toolkit';

const commandOf: Readonly<Record<FailureAction, { readonly command: PanelCommand; readonly label: string }>> = {
  showLog: { command: 'showLog', label: 'Show Log' },
  openSettings: { command: 'openSettings', label: 'Open Settings' },
  selectModel: { command: 'selectModel', label: 'Select Model' },
  retry: { command: 'inspectDocument', label: 'Try Again' },
};

export function createStatus(actions: Actions, hasEditor: boolean) {
  const element = h('section', { class: 'status', 'aria-live': 'polite', 'aria-label': 'Status' });
  const command = (label: string, appearance: 'primary' | 'secondary', name: PanelCommand) =>
    button(label, appearance, () => actions.run(name));
  const buttons = (...items: HTMLElement[]) => (hasEditor ? [h('div', { class: 'buttons' }, ...items)] : []);

  function parts(panel: PanelState | null, mapFailure: string | null): (Node | string)[] {
    if (!panel || panel.status === 'idle') {
      return [
        h('p', {}, 'See what a language model looks at in the file before you: run it on the document in the editor.'),
        ...buttons(
          command('Inspect Document', 'primary', 'inspectDocument'),
          command('Select Model', 'secondary', 'selectModel'),
        ),
      ];
    }
    const { model, layersDone, failure, status } = panel;
    const label = panel.documentLabel ?? '';
    switch (status) {
      case 'loading':
        return [
          h('div', { class: 'progress' }, progressRing('Loading the model'), h('span', {}, 'Loading the model …')),
          ...buttons(command('Cancel', 'secondary', 'cancel')),
        ];
      case 'running': {
        const done = `layer ${layersDone} of ${model?.nLayers ?? '?'}`;
        const wait = isLayerReady(panel) ? '' : `; layer ${panel.view.layerIdx} is not ready yet`;
        const bar = h('progress', { max: model?.nLayers ?? 1, value: layersDone, 'aria-label': 'Layers done' });
        return [
          h('div', { class: 'progress' }, bar, h('span', {}, `${label}: ${done}${wait}`)),
          ...buttons(command('Cancel', 'secondary', 'cancel')),
        ];
      }
      case 'failed':
        return [
          h('p', { class: 'failure', role: 'alert' }, failure?.message ?? 'The analysis failed.'),
          ...buttons(
            ...(failure?.actions ?? []).map(action =>
              command(commandOf[action].label, 'secondary', commandOf[action].command),
            ),
            command('Inspect Document', 'primary', 'inspectDocument'),
          ),
        ];
      case 'cancelled':
        return [
          h(
            'p',
            {},
            panel.isStale ? 'The text changed while it was analysed.' : `Cancelled after layer ${layersDone}.`,
          ),
          ...buttons(command('Inspect Document', 'primary', 'inspectDocument')),
        ];
      case 'done':
        return [
          h('p', { class: 'facts' }, facts(panel)),
          ...(panel.isStale
            ? [
                h('p', { class: 'stale' }, 'The text changed since: these maps are of an older version.'),
                ...buttons(command('Inspect Document', 'primary', 'inspectDocument')),
              ]
            : []),
          ...(mapFailure ? [h('p', { class: 'failure', role: 'alert' }, mapFailure)] : []),
        ];
    }
  }

  const draw = onChange((..._inputs: unknown[]) =>
    element.replaceChildren(...parts(current.panel, failureOf(current))),
  );
  let current!: State;
  return {
    element,
    update(state: State): void {
      current = state;
      const { panel } = state;
      draw(
        panel?.status,
        panel?.analysisId,
        panel?.layersDone,
        panel?.view.layerIdx,
        panel?.isStale,
        panel?.isPinned,
        panel?.failure?.message,
        failureOf(state),
      );
    },
  };
}

function failureOf({ mapFailure }: State): string | null {
  return mapFailure?.message ?? null;
}

/** One line on what was analysed, by what, and what was left out. */
export function facts({
  documentLabel,
  model,
  provider,
  windowLines,
  window,
  isPinned,
  tokens,
  durationMs,
}: PanelState): string {
  const nTokens = tokens?.labels.length ?? 0;
  const parts = [`${documentLabel}: ${nTokens} ${nTokens === 1 ? 'token' : 'tokens'}`];
  if (windowLines && window) {
    const isWhole = window.end - window.start >= window.documentLength;
    parts.push(
      isWhole
        ? `the whole document, ${windowLines.of} lines`
        : `lines ${windowLines.first}–${windowLines.last} of ${windowLines.of}; the rest was left out${isPinned ? ' (pinned)' : ''}`,
    );
  }
  if (model && provider) parts.push(`${model.name} on ${providerNames[provider]}`);
  if (model?.viewer) parts.push('an ONNX file: attention patterns only');
  if (durationMs !== null) parts.push(formatDuration(durationMs));
  return `${parts.join(' · ')}.`;
}
