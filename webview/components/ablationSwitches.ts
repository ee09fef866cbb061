/** Boxes that switch off the parts of the shown layer and head, and the list of all changes with a way to take each back. */

import { type Ablation, describeEdit, type KernelEdit, partLabels, presets, withEdit } from '../../src/shared/ablation';
import type { LayerSummary } from '../../src/shared/analysis';
import { type KernelPart, kernelParts } from '../../src/shared/kernels';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { h, onChange, redraw } from '../dom';
import { partTitles } from '../kernelGallery';
import { layerOf, type State } from '../state';
import { button, checkbox } from '../toolkit';

/** @param onChangeTo the reader wants this ablation. */
export function createAblationSwitches(onChangeTo: (ablation: Ablation) => void) {
  const presetBar = h('div', { class: 'buttons', role: 'group', 'aria-label': t('Presets') });
  const rows = h('div', { class: 'ablation-parts' });
  const list = h('ul', { class: 'ablation-edits' });
  const none = h('p', { class: 'hint' }, t('Nothing is changed: this is the model as trained.'));
  const element = h('div', {}, presetBar, rows, h('h3', {}, t('Changes')), none, list);
  let requested!: Ablation;
  let layers: readonly LayerSummary[] = [];
  let shownKey: readonly unknown[] = [];

  const offer = onChange((_model: string, layerIdx: number) => {
    redraw(
      presetBar,
      ...presets(layers, layerIdx).map(({ label, edits }) =>
        button(label, 'secondary', () => onChangeTo({ ...requested, edits })),
      ),
    );
  });

  function draw(parts: readonly KernelPart[], layerIdx: number, headIdx: number): void {
    rows.hidden = parts.length === 0;
    redraw(
      rows,
      ...parts.flatMap(part => {
        const switchFor = (head: number | null) =>
          partSwitch(requested, { part, layerIdx, headIdx: head, weights: null }, onChangeTo);
        return [h('span', {}, partTitles[part]), switchFor(null), switchFor(headIdx)];
      }),
    );
    // The toolkit names a checkbox by its text as it is put on the page; out of the table's context that says too little.
    for (const element of rows.querySelectorAll<HTMLElement>('[data-name]')) {
      element.setAttribute('aria-label', element.dataset['name']!);
    }
    none.hidden = requested.edits.length > 0;
    redraw(
      list,
      ...requested.edits.map((edit, i) => {
        const takeBack = () => onChangeTo(without(requested, i));
        const what = describeEdit(edit);
        return h(
          'li',
          {},
          h('span', {}, what),
          button(t('Take Back'), 'secondary', takeBack, t('Take back: {0}', what)),
        );
      }),
    );
  }

  return {
    element,
    update({ panel }: State): void {
      if (!panel?.model) return;
      requested = panel.ablation.requested;
      layers = panel.model.layers;
      const { layerIdx, headIdx } = panel.view;
      offer(panel.model.directory, layerIdx);
      const key = [panel.model.directory, layerIdx, headIdx, requested];
      if (isSame(key, shownKey)) return;
      shownKey = key;
      const kernels = layerOf(panel)?.kernels ?? {};
      draw(
        kernelParts.filter(part => kernels[part]),
        layerIdx,
        headIdx,
      );
    },
  };
}

/** Checked where a part is switched off, for all heads (`headIdx` null) or one; fixed where a wider change covers it. */
function partSwitch(ablation: Ablation, edit: KernelEdit, onChangeTo: (ablation: Ablation) => void): HTMLElement {
  const { part, layerIdx, headIdx } = edit;
  const isSame = (other: KernelEdit) => other.part === part && other.layerIdx === layerIdx && other.headIdx === headIdx;
  const own = ablation.edits.findIndex(isSame);
  const covering = ablation.edits.find(
    other =>
      !isSame(other) &&
      (other.part === null || other.part === part) &&
      (other.layerIdx === null || other.layerIdx === layerIdx) &&
      other.headIdx === null,
  );
  const isEdited = own >= 0 && ablation.edits[own]!.weights !== null;
  const label = headIdx === null ? t('all heads') : t('head {0}{1}', headIdx, isEdited ? t(' (edited)') : '');
  const isFixed = covering !== undefined && own < 0;
  const title = isFixed
    ? t('Switched by “{0}”: take that back first.', describeEdit(covering))
    : `${partLabels[part!]}, ${label}`;
  const control = checkbox(label, isOff => onChangeTo(isOff ? withEdit(ablation, edit) : without(ablation, own)));
  control.set(covering !== undefined || (own >= 0 && !isEdited), !isFixed, title);
  control.element.dataset['name'] = t('Switch off: {0}, layer {1}, {2}', partTitles[part!], layerIdx!, label);
  return control.element;
}

function without(ablation: Ablation, index: number): Ablation {
  return { ...ablation, edits: ablation.edits.filter((_, i) => i !== index) };
}
