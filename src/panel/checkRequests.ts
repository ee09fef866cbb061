/** Checks requests of a webview against the model and the run that they are about; their form is checked before. Pure. */

import type { Cell } from '../shared/address';
import type { ModelSummary } from '../shared/analysis';
import type { ExportChoice } from '../shared/panel/exportFormats';
import type { PanelRequests, RangeAddress, View } from '../shared/panel/panelMessages';

type Selection = Parameters<PanelRequests['selectToken']>[0];

/** @throws RangeError naming the field and what was expected. So do the others. */
export function checkView(view: View, model: ModelSummary | null): View {
  checkIndex('layerIdx', view.layerIdx, model?.nLayers ?? 0);
  checkIndex('headIdx', view.headIdx, model?.nHeads ?? 0);
  return view;
}

/** Without a token there is no other end of a range. */
export function checkSelection(
  { tokenIdx, anchorIdx = null, reveal }: Selection,
  nTokens: number,
): Required<Selection> {
  if (tokenIdx !== null) checkIndex('tokenIdx', tokenIdx, nTokens);
  if (anchorIdx !== null) checkIndex('anchorIdx', anchorIdx, nTokens);
  return { tokenIdx, anchorIdx: tokenIdx === null ? null : anchorIdx, reveal };
}

/** Of a map, a cell that is not masked. */
export function checkCell({ queryIdx, keyIdx }: Cell, nTokens: number): Cell {
  checkIndex('queryIdx', queryIdx, nTokens);
  checkIndex('keyIdx', keyIdx, queryIdx + 1);
  return { queryIdx, keyIdx };
}

export function checkRange(address: RangeAddress, nTokens: number): RangeAddress {
  const { end } = address.range;
  if (end > nTokens) throw new RangeError(`range ends at ${end}, expected at most ${nTokens}`);
  return address;
}

export function checkRow<Address extends { readonly row: number }>(address: Address, nTokens: number): Address {
  checkIndex('row', address.row, nTokens);
  return address;
}

export function checkPart<Choice extends ExportChoice>(choice: Choice, nTokens: number): Choice {
  const { part } = choice;
  if (!part) return choice;
  checkIndex('last query of the part', part.queryStart + part.nQueries - 1, nTokens);
  checkIndex('last key of the part', part.keyStart + part.nKeys - 1, nTokens);
  return choice;
}

function checkIndex(name: string, index: number, count: number): void {
  if (index >= count) throw new RangeError(`${name} is ${index}, expected less than ${count}`);
}
