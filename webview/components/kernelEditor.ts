/** One head's kernel as a grid of numbers: arrow keys move, typing replaces, Enter or leaving a cell applies. */

import { colorOf, levelOf, luminance } from '../../src/shared/colorScale';
import { type KernelPart, type KernelShape, sourceHead } from '../../src/shared/kernels';
import { withLocalMark } from '../../src/shared/labels';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { h, onChange } from '../dom';
import type { Theme } from '../theme';

export interface KernelGrid {
  readonly part: KernelPart;
  readonly shape: KernelShape;
  readonly headIdx: number;
  /** [rows, columns], row-major. */
  readonly weights: Float32Array;
}

export interface KernelEditor {
  readonly element: HTMLElement;
  update(grid: KernelGrid | null, theme: Theme): void;
}

/** @param onEdit all weights after one of them was changed. */
export function createKernelEditor(onEdit: (weights: number[]) => void): KernelEditor {
  const body = h('tbody');
  const table = h('table', { class: 'kernel-grid', role: 'grid' }, body);
  const message = h('p', { class: 'kernel-message', role: 'alert', hidden: true });
  const element = h('div', { class: 'kernel-editor' }, h('div', { class: 'kernel-scroller' }, table), message);
  let inputs: HTMLInputElement[] = [];
  let grid: KernelGrid | null = null;
  let built: Omit<KernelGrid, 'weights'> | null = null;
  /** Cells with something typed that is not applied yet; what comes from outside leaves them alone. */
  const typed = new Set<HTMLInputElement>();

  const say = (text: string) => {
    message.textContent = text;
    message.hidden = text === '';
  };
  /** The grid is one tab stop: the cell that had the focus last. */
  const setTabStop = (index: number) => {
    inputs.forEach((input, i) => {
      input.tabIndex = i === index ? 0 : -1;
    });
  };
  const focusCell = (index: number) => {
    inputs[index]?.focus();
    inputs[index]?.select();
  };
  const commit = (index: number) => {
    const input = inputs[index]!;
    if (!grid || !typed.has(input)) return;
    const value = parseWeight(input.value);
    input.setAttribute('aria-invalid', String(value === null));
    if (value === null) {
      say(t('“{0}” is not a number. Type one such as 0.25 or −1e-3, or press Escape.', input.value));
      return;
    }
    typed.delete(input);
    say('');
    if (input.value === written(grid.weights[index]!)) return;
    onEdit(Array.from(grid.weights, (weight, i) => (i === index ? value : weight)));
  };
  table.addEventListener('keydown', event => {
    const index = inputs.indexOf(event.target as HTMLInputElement);
    if (!grid || index < 0) return;
    const input = inputs[index]!;
    if (event.key === 'Enter') commit(index);
    else if (event.key === 'Escape') {
      typed.delete(input);
      input.value = written(grid.weights[index]!);
      input.removeAttribute('aria-invalid');
      say('');
      input.select();
    } else {
      // Left and right move inside a number that is being typed.
      const isTyping = input.selectionStart === input.selectionEnd && event.key.match(/Left|Right|Home|End/);
      const next = isTyping ? undefined : stepCell(event.key, index, grid.shape);
      if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      focusCell(next);
    }
    event.preventDefault();
    event.stopPropagation();
  });
  table.addEventListener('input', event => typed.add(event.target as HTMLInputElement));
  table.addEventListener('focusout', event => {
    const index = inputs.indexOf(event.target as HTMLInputElement);
    if (index >= 0) commit(index);
  });
  table.addEventListener('focusin', event => {
    const index = inputs.indexOf(event.target as HTMLInputElement);
    if (index >= 0) setTabStop(index);
  });

  function build({ part, shape, headIdx }: KernelGrid): void {
    const { rows, columns } = shape;
    inputs = Array.from({ length: rows * columns }, (_, i) => {
      const label = cellLabel(shape, headIdx, Math.floor(i / columns), i % columns);
      return h('input', {
        type: 'text',
        inputmode: 'decimal',
        'aria-label': label,
        title: label,
        tabindex: i === 0 ? 0 : -1,
      });
    });
    const heads = Array.from({ length: columns }, (_, column) =>
      h('th', { scope: 'col' }, columnName(shape, headIdx, column)),
    );
    body.replaceChildren(
      h('tr', {}, h('td'), ...heads),
      ...Array.from({ length: rows }, (_, row) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, rowName(shape, row)),
          ...inputs.slice(row * columns, (row + 1) * columns).map(input => h('td', { role: 'gridcell' }, input)),
        ),
      ),
    );
    table.dataset['part'] = part;
    typed.clear();
    say('');
  }

  const paint = onChange((weights: Float32Array, theme: Theme) => {
    const max = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    inputs.forEach((input, i) => {
      const weight = weights[i]!;
      if (!typed.has(input)) input.value = written(weight);
      const color = colorOf(theme.colors, levelOf(weight, max));
      input.style.setProperty('background-color', `rgb(${color.join(' ')})`);
      input.style.setProperty('color', luminance(color) > 0.18 ? '#000' : '#fff');
    });
  });

  return {
    element,
    update(next, theme) {
      grid = next;
      element.hidden = next === null;
      if (!next) return;
      const { weights: _, ...kernel } = next;
      if (!isSame(kernel, built)) {
        built = kernel;
        build(next);
      }
      table.setAttribute('aria-label', t('Weights of head {0}', next.headIdx));
      paint(next.weights, theme);
    },
  };
}

/** The cell that a key leads to; undefined for keys that mean nothing here. */
export function stepCell(key: string, index: number, { rows, columns }: KernelShape): number | undefined {
  const [row, column] = [Math.floor(index / columns), index % columns];
  switch (key) {
    case 'ArrowLeft':
      return row * columns + Math.max(0, column - 1);
    case 'ArrowRight':
      return row * columns + Math.min(columns - 1, column + 1);
    case 'ArrowUp':
      return Math.max(0, row - 1) * columns + column;
    case 'ArrowDown':
      return Math.min(rows - 1, row + 1) * columns + column;
    case 'Home':
      return row * columns;
    case 'End':
      return row * columns + columns - 1;
    default:
      return undefined;
  }
}

/** A weight as a person types it; null for anything but a finite number. */
export function parseWeight(text: string): number | null {
  const plain = text.trim().replace('−', '-').replace(',', '.');
  const value = plain === '' ? Number.NaN : Number(plain);
  return Number.isFinite(value) ? Math.fround(value) : null;
}

/** In at most five digits; enough to read, and edits of other cells keep the exact value. */
function written(weight: number): string {
  return withLocalMark(String(Number(weight.toPrecision(4))).replace('-', '−'));
}

function rowName({ rows, identityColumn }: KernelShape, row: number): string {
  if (identityColumn === null) return t('weight');
  const back = rows - 1 - row;
  return back === 0 ? t('query') : t('query −{0}', back);
}

function columnName(shape: KernelShape, headIdx: number, column: number): string {
  if (shape.identityColumn === null) return t('head {0}', sourceHead(shape, headIdx, column));
  const shift = column - shape.identityColumn;
  return shift === 0 ? t('key') : shift < 0 ? `−${-shift}` : `+${shift}`;
}

function cellLabel(shape: KernelShape, headIdx: number, row: number, column: number): string {
  const columnText = columnName(shape, headIdx, column);
  if (shape.identityColumn === null) return t('weight of {0}', columnText);
  return `${rowName(shape, row)}, ${columnText === t('key') ? columnText : t('key {0}', columnText)}`;
}
