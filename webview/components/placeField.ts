/** A range of tokens that the reader takes from the selection: its name, and a button that takes another one. */

import type { TokenRange } from '../../src/shared/address';
import { visibleToken } from '../../src/shared/labels';
import { placeName } from '../../src/shared/places';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import { button } from '../toolkit';
import type { Places } from '../whyQuestion';

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
      name.textContent = range && places ? nameOfRange(range, places) : t('nothing taken yet');
      control.toggleAttribute('disabled', !canTake);
    },
  };
}

/** "line 33 `byteWidth`", or from one place to another. */
export function nameOfRange({ first, end }: TokenRange, places: Places): string {
  const [from, to] = [places.lineOf(first), places.lineOf(end - 1)];
  if (from === to) return placeName(from, shortened(places.labels.slice(first, end).join('')));
  return t('lines {0} to {1}', from ?? 0, to ?? 0);
}

const maxLength = 40;

function shortened(text: string): string {
  const trimmed = text.trim() || visibleToken(text);
  return trimmed.length > maxLength ? `${trimmed.slice(0, maxLength - 1)}…` : trimmed;
}
