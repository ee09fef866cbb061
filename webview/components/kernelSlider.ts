/** Moves a kernel through its training: a slider over the snapshots that the model brings, and what each is, in words. */

import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import { describeSnapshot, type Snapshot } from '../kernelHistory';

export interface KernelSlider {
  readonly element: HTMLElement;
  /** @param snapshots none: nothing is shown; a text in their place says why. */
  show(snapshots: readonly Snapshot[] | string, position: number, headIdx: number): void;
}

export function createKernelSlider(onPosition: (position: number) => void): KernelSlider {
  const id = 'kernel-history';
  const slider = h('input', { id, type: 'range', min: 0, step: 1 });
  const text = h('p', { class: 'kernel-history-text' });
  const label = h('label', { for: id }, t('In training'));
  const element = h('div', { class: 'kernel-history' }, label, slider, text);
  slider.addEventListener('input', () => onPosition(Number(slider.value)));
  return {
    element,
    show(snapshots, position, headIdx) {
      const isText = typeof snapshots === 'string';
      element.hidden = snapshots.length === 0;
      label.hidden = isText;
      slider.hidden = isText;
      if (isText) {
        text.textContent = snapshots;
        return;
      }
      if (snapshots.length === 0) return;
      slider.max = String(snapshots.length - 1);
      slider.value = String(position);
      const words = describeSnapshot(snapshots, position, headIdx);
      slider.setAttribute('aria-valuetext', words);
      text.textContent = words;
    },
  };
}
