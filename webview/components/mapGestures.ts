/** What gestures on a map do: move the shared viewport, look at a cell, select its query. */

import type { Cell } from '../../src/shared/address';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { cellAt, cornerOf, stepCell, visibleCells } from '../heatmap/hitTest';
import type { Navigation } from '../heatmap/navigation';
import type { State, Store } from '../state';
import type { MapGestures } from './mapInput';

export const buttonZoom = 1.5;
export const mapInstructions = t(
  'Arrow keys move the cell, with Shift by ten. Plus and minus zoom, 0 shows all, Enter selects the query, Escape leaves.',
);

/** @param onHover the pointer is over this cell, or has left. */
export function createGestures(
  store: Store<State>,
  actions: Actions,
  navigation: Navigation,
  onHover: (cell: Cell | null) => void,
): MapGestures {
  const at = (x: number, y: number) => cellAt(navigation.viewport, x, y, navigation.nTokens) ?? null;
  /** Where the keyboard begins: the selected query's own cell, or the first one on screen. */
  const firstCell = (): Cell => {
    const selected = store.state.panel?.selectedToken;
    if (selected != null) return { queryIdx: selected, keyIdx: selected };
    const { queryStart, keyStart } = visibleCells(navigation.viewport, navigation.nTokens, navigation.size);
    // Never a masked one: the strip of the first token is always on screen.
    return { queryIdx: queryStart, keyIdx: keyStart > queryStart ? 0 : keyStart };
  };
  return {
    hover: point => onHover(point && at(point.x, point.y)),
    click(x, y) {
      const cell = at(x, y);
      actions.pickCell(cell);
      if (cell) actions.selectToken(cell.queryIdx, true);
    },
    pan: (dx, dy) => navigation.pan(dx, dy),
    zoom(factor, x, y) {
      const { cell } = store.state;
      const center = cell && cornerOf(navigation.viewport, cell);
      const { width, height } = navigation.size;
      return navigation.zoomAt(factor, x ?? center?.x ?? width / 2, y ?? center?.y ?? height / 2);
    },
    fit: () => navigation.fit(),
    step(queries, keys) {
      onHover(null);
      const { cell } = store.state;
      const next = cell ? stepCell(cell, queries, keys, navigation.nTokens) : firstCell();
      navigation.reveal(next);
      actions.pickCell(next);
    },
    select() {
      const { cell } = store.state;
      if (cell) actions.selectToken(cell.queryIdx, true);
    },
    clear() {
      onHover(null);
      if (store.state.cell) actions.pickCell(null);
      else actions.selectToken(null, false);
    },
  };
}
