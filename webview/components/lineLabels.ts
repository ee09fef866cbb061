/** What stands in the masked half of a map: the lines along the diagonal and the selected one. Decoration for the eye. */

import { fittingMarks, type LineMark } from '../../src/shared/lineMarks';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import type { Size, Viewport } from '../heatmap/viewport';

/** Room for the caption and the scale in the upper right corner, in CSS pixels. */
const scaleRoom = { width: 132, height: 46 };
const labelHeight = 14;
/** Cells from this size on are seen line by line: lines of the text part them. */
const partedFrom = 6;

export class LineLabels {
  readonly element = h('div', { class: 'line-labels', 'aria-hidden': 'true' });
  private readonly labels: HTMLElement[] = [];
  private readonly rules: HTMLElement[] = [];

  /** @returns whether the corner has room for the scale. */
  draw(
    viewport: Viewport,
    size: Size,
    nTokens: number,
    marks: readonly LineMark[],
    /** The selected token and its text. */
    selection: { readonly tokenIdx: number; readonly text: string } | null,
  ): boolean {
    const { originX, originY, cellSize } = viewport;
    const hasScale = isMaskedAt(viewport, size.width - scaleRoom.width, scaleRoom.height) && size.width > 200;
    const selectedLine = selection && marks.findLast(({ tokenIdx }) => tokenIdx <= selection.tokenIdx);
    const selected = selection && {
      ...{ tokenIdx: selection.tokenIdx, at: originY + (selection.tokenIdx + 0.5) * cellSize, isSelected: true },
      text: `${selectedLine?.line ?? ''} “${selection.text}”`,
    };
    const placed = fittingMarks(marks, originY, cellSize, size.height - labelHeight / 2, 1.6 * labelHeight)
      .map(({ tokenIdx, line, symbol, at }) => ({
        ...{ tokenIdx, at, text: symbol === '' ? t('line {0}', line) : `${line} ${symbol}`, isSelected: false },
      }))
      .filter(({ at }) => selected === null || Math.abs(at - selected.at) >= labelHeight);
    let [nLabels, nRules] = [0, 0];
    for (const { tokenIdx, text, at, isSelected } of selected ? [...placed, selected] : placed) {
      const left = originX + (tokenIdx + 1) * cellSize + 6;
      const isUnderScale = hasScale && at < scaleRoom.height + labelHeight && left + 80 > size.width - scaleRoom.width;
      if (at < labelHeight / 2 || at > size.height || left > size.width - 24 || left < 0 || isUnderScale) continue;
      const label = this.at(this.labels, nLabels++, 'line-label');
      label.classList.toggle('line-selected', isSelected);
      if (label.textContent !== text) label.textContent = text;
      label.style.setProperty('transform', `translate(${left}px, ${at - labelHeight / 2}px)`);
      label.style.setProperty('max-width', `${size.width - left}px`);
    }
    if (cellSize >= partedFrom) {
      for (const { tokenIdx } of marks) {
        const [x, y] = [originX + tokenIdx * cellSize, originY + tokenIdx * cellSize];
        const end = Math.min(size.height, originY + nTokens * cellSize);
        if (y > 0 && y < size.height) {
          this.rule(nRules++, { left: 0, top: y, width: Math.max(0, Math.min(size.width, x)), height: 1 });
        }
        if (x > 0 && x < size.width) {
          const top = Math.max(0, y);
          this.rule(nRules++, { left: x, top, width: 1, height: Math.max(0, end - top) });
        }
      }
    }
    this.labels.forEach((label, i) => {
      label.hidden = i >= nLabels;
    });
    this.rules.forEach((rule, i) => {
      rule.hidden = i >= nRules;
    });
    return hasScale;
  }

  private rule(index: number, box: Readonly<Record<'left' | 'top' | 'width' | 'height', number>>): void {
    const rule = this.at(this.rules, index, 'line-rule');
    for (const [side, length] of Object.entries(box)) rule.style.setProperty(side, `${length}px`);
  }

  private at(elements: HTMLElement[], index: number, name: string): HTMLElement {
    const element = elements[index] ?? h('div', { class: name });
    if (!elements[index]) {
      elements.push(element);
      this.element.append(element);
    }
    return element;
  }
}

/** Whether everything above and right of a point is masked. */
export function isMaskedAt({ originX, originY, cellSize }: Viewport, x: number, y: number): boolean {
  return (x - originX) / cellSize > (y - originY) / cellSize + 1;
}
