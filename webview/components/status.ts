/** What is going on and what to do next: empty state, progress, failure, staleness, and what the window left out. */

import { type ModelSummary, providerNames } from '../../src/shared/analysis';
import { formatLines } from '../../src/shared/labels';
import type { PanelCommand, PanelState } from '../../src/shared/panel/panelMessages';
import type { FailureAction } from '../../src/shared/tools/failure';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h, onChange, redraw } from '../dom';
import { formatDuration } from '../labels';
import { isLayerReady, type State } from '../state';
import { button, progressRing } from '../toolkit';

const commandOf: Readonly<Record<FailureAction, { readonly command: PanelCommand; readonly label: string }>> = {
  showLog: { command: 'showLog', label: t('Show Log') },
  openSettings: { command: 'openSettings', label: t('Open Settings') },
  selectModel: { command: 'selectModel', label: t('Select Model') },
  retry: { command: 'inspectDocument', label: t('Try Again') },
};

export function createStatus(actions: Actions, hasEditor: boolean) {
  const element = h('section', { class: 'status', 'aria-live': 'polite', 'aria-label': t('Status') });
  const command = (label: string, appearance: 'primary' | 'secondary', name: PanelCommand) =>
    button(label, appearance, () => actions.run(name));
  const buttons = (...items: HTMLElement[]) => (hasEditor ? [h('div', { class: 'buttons' }, ...items)] : []);

  function parts(panel: PanelState | null, mapFailure: string | null): (Node | string)[] {
    if (!panel || panel.status === 'idle') {
      return [
        h(
          'p',
          {},
          t('See what a language model looks at in the file before you: run it on the document in the editor.'),
        ),
        ...buttons(
          command(t('Inspect Document'), 'primary', 'inspectDocument'),
          command(t('Select Model'), 'secondary', 'selectModel'),
        ),
      ];
    }
    const { model, layersDone, failure, status } = panel;
    const label = panel.documentLabel ?? '';
    switch (status) {
      case 'loading':
        return [
          h(
            'div',
            { class: 'progress' },
            progressRing(t('Loading the model')),
            h('span', {}, t('Loading the model …')),
          ),
          ...buttons(command(t('Cancel'), 'secondary', 'cancel')),
        ];
      case 'running': {
        const done = t('layer {0} of {1}', layersDone, model?.nLayers ?? '?');
        const wait = isLayerReady(panel) ? '' : t('; layer {0} is not ready yet', panel.view.layerIdx);
        const bar = h('progress', { max: model?.nLayers ?? 1, value: layersDone, 'aria-label': t('Layers done') });
        return [
          h('div', { class: 'progress' }, bar, h('span', {}, `${label}: ${done}${wait}`)),
          ...buttons(command(t('Cancel'), 'secondary', 'cancel')),
        ];
      }
      case 'failed':
        return [
          h('p', { class: 'failure', role: 'alert' }, failure?.message ?? t('The analysis failed.')),
          ...buttons(
            ...(failure?.actions ?? []).map(action =>
              command(commandOf[action].label, 'secondary', commandOf[action].command),
            ),
            command(t('Inspect Document'), 'primary', 'inspectDocument'),
          ),
        ];
      case 'cancelled':
        return [
          h(
            'p',
            {},
            panel.isStale ? t('The text changed while it was analysed.') : t('Cancelled after layer {0}.', layersDone),
          ),
          ...buttons(command(t('Inspect Document'), 'primary', 'inspectDocument')),
        ];
      case 'done':
        return [
          ...(panel.isStale ? stale() : [factsLine(panel)]),
          ...(panel.otherInFront === null ? [] : inFront(panel.otherInFront)),
          ...(mapFailure ? [h('p', { class: 'failure', role: 'alert' }, mapFailure)] : []),
        ];
    }
  }

  const stale = () => {
    const said = t('The text changed since: these maps are of an older version.');
    return [
      h('p', { class: 'stale', title: said }, said),
      ...buttons(command(t('Inspect Document'), 'primary', 'inspectDocument')),
    ];
  };
  /** Another text is looked at in the editor than here. */
  const inFront = (name: string) => {
    const inspect = command(t('Inspect {0}', name), 'secondary', 'inspectDocument');
    inspect.title = t('{0} is in front and not inspected.', name);
    return buttons(inspect);
  };

  const draw = onChange((..._inputs: unknown[]) => redraw(element, ...parts(current.panel, failureOf(current))));
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
        panel?.otherInFront,
        panel?.failure?.message,
        failureOf(state),
      );
    },
  };
}

function failureOf({ mapFailure }: State): string | null {
  return mapFailure?.message ?? null;
}

function factsLine(panel: PanelState): HTMLElement {
  const title = [facts(panel), panel.rangeReason ?? ''].join(' ').trim();
  return h('p', { class: 'facts facts-line', title }, facts(panel));
}

/** One line on what was analysed, by what, and what was left out. */
function facts({
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
  const parts = [
    nTokens === 1 ? t('{0}: 1 token', documentLabel ?? '') : t('{0}: {1} tokens', documentLabel ?? '', nTokens),
  ];
  if (windowLines && window) {
    const isWhole = window.end - window.start >= window.documentLength;
    parts.push(
      isWhole
        ? wholeDocument(windowLines.of)
        : t(
            '{0}; the rest was left out{1}',
            formatLines(windowLines.first, windowLines.last, windowLines.of),
            isPinned ? t(' (pinned)') : '',
          ),
    );
  }
  if (model && provider) parts.push(t('{0} on {1}', model.name, providerNames[provider]));
  if (model?.weightType) parts.push(weightsText(model.weightType, model.weightsKeptAs));
  if (model?.viewer) parts.push(t('an ONNX file: attention patterns only'));
  if (durationMs !== null) parts.push(formatDuration(durationMs));
  return `${parts.join(' · ')}.`;
}

/** Quantized weights: what the file has, and what they are in memory. */
function weightsText(type: string, keptAs: ModelSummary['weightsKeptAs']): string {
  if (keptAs === 'packed') return t('weights as {0}, kept packed', type);
  return keptAs === undefined ? t('weights as {0}', type) : t('weights as {0}, kept as {1}', type, precisions[keptAs]);
}

const precisions = { float32: 'fp32', float16: 'fp16' } as const;

const wholeDocument = (nLines: number) =>
  nLines === 1 ? t('the whole document, 1 line') : t('the whole document, {0} lines', nLines);
