/** A range of tokens that the reader takes from the selection: its name, and a button that takes another one. */

import type { TokenRange } from '../../src/shared/address';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import type { Places } from '../places';
import { button } from '../toolkit';

export interface PlaceField {
  readonly element: HTMLElement;
  /** @param range null: none was taken yet. */
  update(range: TokenRange | null, places: Places | null, canTake: boolean): void;
}

/** @param take takes what is selected. */
export function createPlaceField(label: string, take: () => void): PlaceField {
  const name = h('span', { class: 'place-name' });
  const control = button(t('Take the Selection'), 'secondary', take, t('{0}: take the selection', label));
  const element = h('div', { class: 'place-field' }, h('span', { class: 'place-label' }, label), name, control);
  return {
    element,
    update(range, places, canTake) {
      name.textContent = range && places ? places.nameOfRange(range) : t('nothing taken yet');
      control.toggleAttribute('disabled', !canTake);
    },
  };
}
