/** Checks what comes from the webview before anybody acts on it. Pure. */

import type { ModelSummary } from '../shared/analysis';
import { stages, tileSize } from '../shared/attentionMap';
import { kernelParts } from '../shared/kernels';
import type { AblationStep } from '../shared/panel/panelAblation';
import {
  type LayerAddress,
  type MapAddress,
  maxThumbnails,
  type PanelRequests,
  type PartAddress,
  type PatchAddress,
  type RangeAddress,
  type ThumbnailAddress,
  type TileAddress,
  type View,
} from '../shared/panel/panelMessages';

type Selection = Parameters<PanelRequests['selectToken']>[0];

function checkRect(rect: Pick<TileAddress, 'queryStart' | 'keyStart' | 'nQueries' | 'nKeys'>): void {
  for (const field of ['queryStart', 'keyStart', 'nQueries', 'nKeys'] as const) {
    if (!isIndex(rect[field])) throw new RangeError(`${field} is no count`);
  }
}

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** @throws RangeError naming the field. */
export function checkMap<T extends MapAddress>(address: T): T {
  for (const field of ['analysisId', 'layerIdx', 'headIdx'] as const) {
    if (!isIndex(address?.[field])) throw new RangeError(`${field} is no index`);
  }
  if (!stages.includes(address.stage)) throw new RangeError('stage is unknown');
  return address;
}

export function checkTile(address: TileAddress): TileAddress {
  checkMap(address);
  checkRect(address);
  if (address.nQueries !== 1 && (address.nQueries > tileSize || address.nKeys > tileSize)) {
    throw new RangeError(`a tile has at most ${tileSize} x ${tileSize} cells`);
  }
  return address;
}

export function checkPatch(address: PatchAddress): PatchAddress {
  checkMap({ ...address, headIdx: 0 });
  checkRect(address);
  return address;
}

export function checkLayer(address: LayerAddress): LayerAddress {
  for (const field of ['analysisId', 'layerIdx'] as const) {
    if (!isIndex(address?.[field])) throw new RangeError(`${field} is no index`);
  }
  return { analysisId: address.analysisId, layerIdx: address.layerIdx };
}

export function checkPart(address: PartAddress): PartAddress {
  const layer = checkLayer(address);
  const { headIdx, part } = address;
  if (!isIndex(headIdx)) throw new RangeError('headIdx is no index');
  if (!kernelParts.includes(part)) throw new RangeError('part is unknown');
  return { ...layer, headIdx, part };
}

export function checkThumbnails(address: ThumbnailAddress): ThumbnailAddress {
  const layer = checkLayer(address);
  const { headStart, nHeads } = address;
  if (!isIndex(headStart)) throw new RangeError('headStart is no index');
  if (!(isIndex(nHeads) && nHeads >= 1 && nHeads <= maxThumbnails)) {
    throw new RangeError(`nHeads is no count from 1 to ${maxThumbnails}`);
  }
  return { ...layer, headStart, nHeads };
}

export function checkStep({ step }: { readonly step: AblationStep }): AblationStep {
  if (step !== 'undo' && step !== 'redo' && step !== 'reset') throw new RangeError('step is unknown');
  return step;
}

export function checkTab({ tab }: { readonly tab: string }): string {
  if (typeof tab !== 'string' || !/^[a-z]{1,20}$/.test(tab)) throw new RangeError('tab is no word');
  return tab;
}

export function checkView(view: View, model: ModelSummary | null): View {
  if (!(isIndex(view?.layerIdx) && view.layerIdx < (model?.nLayers ?? 0))) throw new RangeError('layerIdx is no layer');
  if (!(isIndex(view.headIdx) && view.headIdx < (model?.nHeads ?? 0))) throw new RangeError('headIdx is no head');
  if (!stages.includes(view.stage)) throw new RangeError('stage is unknown');
  const { layerIdx, headIdx, stage } = view;
  return { layerIdx, headIdx, stage, difference: view.difference === true };
}

export function checkSelection(selection: Selection, nTokens: number): Required<Selection> {
  const { tokenIdx, anchorIdx = null, reveal } = selection;
  const isToken = (idx: unknown) => idx === null || (isIndex(idx) && idx < nTokens);
  if (!isToken(tokenIdx)) throw new RangeError('tokenIdx is no token');
  if (!isToken(anchorIdx)) throw new RangeError('anchorIdx is no token');
  return { tokenIdx, anchorIdx: tokenIdx === null ? null : anchorIdx, reveal: reveal === true };
}

export function checkRange(address: RangeAddress, nTokens: number): RangeAddress {
  checkMap(address);
  const { first, end } = address.range ?? {};
  if (!(isIndex(first) && isIndex(end) && first < end && end <= nTokens)) throw new RangeError('range is no range');
  if (address.direction !== 'attends' && address.direction !== 'attendedBy') {
    throw new RangeError('direction is unknown');
  }
  return address;
}
