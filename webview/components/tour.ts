/** A strip over the page that leads through it step by step, and can be left at any time. */

import type { HeadRef } from '../../src/shared/address';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h, onChange } from '../dom';
import type { PanelHost } from '../host';
import type { State, Store } from '../state';
import { button } from '../toolkit';
import { sampleNote, tourSteps } from '../tourSteps';
import { questionOf } from '../whyQuestion';

export function createTour(store: Store<State>, actions: Actions, host: Pick<PanelHost, 'request'>) {
  const where = h('span', { class: 'tour-step' });
  const text = h('p', { class: 'tour-text', 'aria-live': 'polite' });
  const back = button(t('Back'), 'secondary', () => go(stepIdx - 1));
  const next = button(t('Next'), 'primary', () => go(stepIdx + 1));
  const close = h('button', { class: 'menu-close', type: 'button', 'aria-label': t('End the tour') }, '×');
  const buttons = h('div', { class: 'buttons' }, back, next);
  const element = h(
    'section',
    { class: 'tour', 'aria-label': t('Tour'), hidden: true },
    h('div', { class: 'tour-head' }, where, close),
    text,
    buttons,
  );
  /** The step that is shown; null: none. */
  let shown: number | null = null;
  let stepIdx = 0;
  let head: HeadRef | null = null;
  let runId = 0;
  let marked: Element | null = null;
  let closedNote = '';

  const nameOf = (ref: HeadRef | null) => (ref ? `L${ref.layerIdx}H${ref.headIdx}` : '');
  const steps = () => {
    const { panel } = store.state;
    return panel ? tourSteps(panel, nameOf(head)) : [];
  };

  /** Shows a step; behind the last one the tour ends. */
  function go(idx: number): void {
    const step = steps()[idx];
    if (!step) {
      end();
      return;
    }
    [shown, stepIdx] = [idx, idx];
    if (step.stage && head) actions.setView({ ...head, stage: step.stage, difference: false });
    actions.showTab(step.tab);
    show();
    requestAnimationFrame(() => mark(step.target));
  }

  function mark(target: string | null): void {
    marked?.classList.remove('tour-target');
    marked = target === null ? null : document.querySelector(target);
    marked?.classList.add('tour-target');
    marked?.scrollIntoView?.({ block: 'nearest' });
  }

  function end(): void {
    closedNote = sampleNote(store.state.panel?.documentLabel ?? null);
    shown = null;
    mark(null);
    show();
  }

  function show(): void {
    const all = steps();
    const step = shown === null ? undefined : all[shown];
    const note = sampleNote(store.state.panel?.tokens ? store.state.panel.documentLabel : null);
    element.hidden = !step && (note === '' || note === closedNote);
    buttons.hidden = !step;
    draw(
      step ? t('{0} of {1}', stepIdx + 1, all.length) : t('About this sample'),
      step?.text ?? note,
      stepIdx === 0,
      stepIdx === all.length - 1,
    );
  }

  const draw = onChange((place: string, said: string, isFirst: boolean, isLast: boolean) => {
    where.textContent = place;
    text.textContent = said;
    back.toggleAttribute('disabled', isFirst);
    const label = isLast ? t('Done') : t('Next');
    next.textContent = label;
    next.title = label;
    next.setAttribute('aria-label', label);
  });

  close.addEventListener('click', end);
  element.addEventListener('keydown', event => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    end();
  });

  /** The head that added most to the prediction. */
  async function findHead(): Promise<void> {
    const question = questionOf(store.state.panel, 'predicting', null);
    if (!question) return;
    const { analysisId, row, target } = question;
    const answer = await host.request('answer', { analysisId, row, target }).catch(() => null);
    const [most] = answer?.heads ?? [];
    head = most ? { layerIdx: most.layerIdx, headIdx: most.headIdx } : null;
    show();
  }

  return {
    element,
    start(): void {
      runId = store.state.panel?.analysisId ?? 0;
      head = null;
      actions.setLayout({ whyRow: 'predicting' });
      go(0);
      void findHead();
    },
    update({ panel }: State): void {
      // The reader went on to something else.
      const isAnother = panel !== null && panel.analysisId !== runId && panel.ablation.trainedId === null;
      if (shown !== null && isAnother) end();
      else show();
    },
  };
}
