/** The one store: what came from the host, what the reader arranged, and what is derived from both. */

import { headKinds } from '../src/attention/headKinds';
import { measures } from '../src/attention/headRanking';
import type { Cell, Rect, TokenRange } from '../src/shared/address';
import type { LayerSummary } from '../src/shared/analysis';
import { effectiveStage, previousStage } from '../src/shared/attentionMap';
import { type ColorMap, defaultColorMap, isColorMap, type ScaleKind, scaleKinds } from '../src/shared/colorScale';
import type { MeasureName } from '../src/shared/headMeasures';
import { type KernelPart, kernelParts } from '../src/shared/kernels';
import { type Stage, stages } from '../src/shared/operators';
import type { PanelComparison } from '../src/shared/panel/comparison';
import type { PanelContext } from '../src/shared/panel/context';
import type { PanelState } from '../src/shared/panel/panelMessages';
import { rangeBetween } from '../src/shared/relevance';
import type { FailureData } from '../src/shared/tools/failure';
import type { MapData, MapRef } from './heatmap/mapData';
import type { MapRow } from './heatmap/mapSource';
import type { SavedZoom } from './heatmap/viewport';
import { type KernelOrder, kernelOrders } from './kernelGallery';
import type { Theme } from './theme';

/** What the lens compares a cell with: softmax ignores what all cells of a row have in common. */
export const references = ['none', 'largestOther', 'rowMean'] as const;
export type Reference = (typeof references)[number];

export const mapLayouts = ['square', 'distance'] as const;
export type MapLayout = (typeof mapLayouts)[number];

/** `predicting`: row t - 1, whose output predicts token t; `reading`: row t. */
export const whyRows = ['predicting', 'reading'] as const;
export type WhyRow = (typeof whyRows)[number];

/** How the reader arranged the panel; kept across reloads. */
export interface Layout {
  /** Id of the view or page that was chosen last; see views/registry.ts. Empty: the first page. */
  readonly tab: string;
  /** Ids of the chosen views by region, where a region shows one at a time. */
  readonly views: Readonly<Record<string, string>>;
  /** Whether sections are open, by the id of their view; those that are not named are. */
  readonly sections: Readonly<Record<string, boolean>>;
  /** Which row of the selected word is explained: the one that predicts it, or its own. */
  readonly whyRow: WhyRow;
  readonly zoom: SavedZoom;
  /** What `zoom` is of. */
  readonly zoomRange: ZoomRange | null;
  /** How magnitudes are spread over the maps' color scale. */
  readonly scale: ScaleKind;
  readonly colorMap: ColorMap;
  /** Whether the map is queries × keys, or queries × how far back the key is. */
  readonly mapLayout: MapLayout;
  /** Stages whose difference the stages view shows; null: the layer's first step. */
  readonly stagePair: { readonly stage: Stage; readonly minus: Stage } | null;
  /** Maps side by side share one scale before the softmax and one after it. */
  readonly sharesScale: boolean;
  /** What the lens compares a cell with. */
  readonly lensReference: Reference;
  /** What heads are ranked by, and whether they stand in that order. */
  readonly headMeasure: MeasureName;
  readonly headOrder: 'rank' | 'layer';
  /** Which kind of heads is shown; null: all. See attention/headKinds.ts. */
  readonly headKind: string | null;
  /** How the kernel gallery is sorted, and which part it shows; null: all. */
  readonly kernelOrder: KernelOrder;
  readonly kernelPart: KernelPart | null;
  /** The key of the kernel whose details are shown. */
  readonly kernel: string | null;
}

/** A range of a text as a model reads it, as far as a zoom holds for it. */
interface ZoomRange {
  /** Document, model, and where the range begins. */
  readonly name: string;
  readonly nTokens: number;
}

export interface State {
  /** Null until the host has answered. */
  readonly panel: PanelState | null;
  /** What is relevant for the selection; null where nobody works it out. */
  readonly context: PanelContext | null;
  /** The second run beside the shown one. */
  readonly comparison: PanelComparison | null;
  readonly layout: Layout;
  readonly theme: Theme;
  /** The shown map as far as it has arrived. The object is mutable: `mapVersion` counts its changes. */
  readonly map: MapData | null;
  readonly mapVersion: number;
  /** What made the last version: one tile of exact values, or more than that (null). */
  readonly changedTile: Rect | null;
  readonly mapFailure: FailureData | null;
  readonly selection: Selection | null;
  /** The cell of the map that is looked at, in every view. */
  readonly cell: Cell | null;
}

/** Rows of the selected query. */
export interface Selection {
  readonly row: MapRow;
  /** Its scores before and after the key-query convolution, in layers that have one. */
  readonly convolution: { readonly before: MapRow; readonly after: MapRow } | null;
}

export class Store<S> {
  private readonly listeners = new Set<(state: S) => void>();

  constructor(private current: S) {}

  get state(): S {
    return this.current;
  }

  update(patch: Partial<S>): void {
    this.current = { ...this.current, ...patch };
    for (const listener of this.listeners) listener(this.current);
  }

  /** Calls `listener` now and after every update. */
  subscribe(listener: (state: S) => void): void {
    this.listeners.add(listener);
    listener(this.current);
  }
}

export const defaultLayout: Layout = {
  tab: '',
  views: {},
  sections: {},
  whyRow: 'predicting',
  zoom: { factor: 1, centerQuery: 0.5, centerKey: 0.5 },
  zoomRange: null,
  scale: 'power',
  colorMap: defaultColorMap,
  mapLayout: 'square',
  stagePair: null,
  sharesScale: false,
  lensReference: 'none',
  headMeasure: measures[0]!.name,
  headOrder: 'rank',
  headKind: null,
  kernelOrder: 'place',
  kernelPart: null,
  kernel: null,
};

/** Reads a layout saved by this or another version; whatever does not fit is replaced by the default. */
export function readLayout(saved: unknown): Layout {
  const layout = (saved ?? {}) as Partial<Record<keyof Layout, unknown>>;
  const { tab, views, sections, whyRow, zoom, zoomRange, scale, colorMap, stagePair, sharesScale } = layout;
  const { mapLayout, lensReference, headMeasure, headOrder, headKind, kernelOrder, kernelPart, kernel } = layout;
  return {
    tab: typeof tab === 'string' ? tab : defaultLayout.tab,
    views: entriesOf(views, value => typeof value === 'string'),
    sections: entriesOf(sections, value => typeof value === 'boolean'),
    whyRow: whyRows.find(name => name === whyRow) ?? defaultLayout.whyRow,
    zoom: isZoom(zoom) ? zoom : defaultLayout.zoom,
    zoomRange: isZoomRange(zoomRange) ? zoomRange : null,
    scale: scaleKinds.find(kind => kind === scale) ?? defaultLayout.scale,
    colorMap: isColorMap(colorMap) ? colorMap : defaultColorMap,
    mapLayout: mapLayouts.find(name => name === mapLayout) ?? defaultLayout.mapLayout,
    stagePair: isStagePair(stagePair) ? stagePair : null,
    sharesScale: sharesScale === true,
    lensReference: references.find(name => name === lensReference) ?? defaultLayout.lensReference,
    headMeasure: measures.find(({ name }) => name === headMeasure)?.name ?? defaultLayout.headMeasure,
    headOrder: headOrder === 'layer' ? 'layer' : 'rank',
    headKind: headKinds.find(({ name }) => name === headKind)?.name ?? null,
    kernelOrder: kernelOrders.find(name => name === kernelOrder) ?? defaultLayout.kernelOrder,
    kernelPart: kernelParts.find(name => name === kernelPart) ?? null,
    kernel: typeof kernel === 'string' ? kernel : null,
  };
}

/** The entries of a saved record that fit. */
function entriesOf<Value>(saved: unknown, fits: (value: unknown) => boolean): Readonly<Record<string, Value>> {
  if (typeof saved !== 'object' || saved === null || Array.isArray(saved)) return {};
  return Object.fromEntries(Object.entries(saved).filter(([, value]) => fits(value))) as Record<string, Value>;
}

function isStagePair(value: unknown): value is Layout['stagePair'] {
  const { stage, minus } = (value ?? {}) as Record<string, unknown>;
  return stages.includes(stage as Stage) && stages.includes(minus as Stage);
}

function isZoom(value: unknown): value is SavedZoom {
  const { factor, centerQuery, centerKey } = (value ?? {}) as Record<string, unknown>;
  return [factor, centerQuery, centerKey].every(Number.isFinite);
}

function isZoomRange(value: unknown): value is ZoomRange {
  const { name, nTokens } = (value ?? {}) as Record<string, unknown>;
  return typeof name === 'string' && Number.isFinite(nTokens);
}

export function zoomRangeOf({ tokens, model, window, documentLabel }: PanelState): ZoomRange | null {
  if (!tokens) return null;
  const name = [documentLabel, model?.directory, window?.start].join('\n');
  return { name, nTokens: tokens.labels.length };
}

/** Whether a zoom of one range shows about the same of the other: an edit changes a range's length a little. */
export function isSameRange(a: ZoomRange, b: ZoomRange): boolean {
  return a.name === b.name && Math.abs(a.nTokens - b.nTokens) <= 0.1 * Math.max(a.nTokens, b.nTokens);
}

export function layerOf(panel: PanelState): LayerSummary | undefined {
  return panel.model?.layers[panel.view.layerIdx];
}

/** Whether a model has convolutions or mixes heads. */
export function hasKernels({ model }: PanelState): boolean {
  return model?.layers.some(({ kernels }) => Object.keys(kernels).length > 0) ?? false;
}

/** The selected tokens. */
export function selectedRange(panel: PanelState | null): TokenRange | null {
  if (!panel?.tokens || panel.selectedToken === null) return null;
  return rangeBetween(panel.selectedToken, panel.selectionAnchor ?? panel.selectedToken);
}

/**
 * Whether a run of the document whose pages are on screen is on its way to the map in view: until that is there the pages
 * stay as they are.
 * @param drawn the document on screen, null for none.
 */
export function isRenewing(panel: PanelState | null, drawn: string | null): boolean {
  if (panel === null || drawn === null || panel.documentLabel !== drawn) return false;
  return (panel.status === 'loading' || panel.status === 'running') && mapRefOf(panel) === null;
}

/** Whether the cell that is looked at stays, as in an ablated run, which is of the same tokens. */
export function keepsCell(before: PanelState | null, panel: PanelState, { queryIdx }: Cell): boolean {
  const isNewRun = panel.analysisId !== before?.analysisId && panel.ablation.trainedId === null;
  // One selection: a word that was selected elsewhere takes the place of the cell.
  const isElsewhere = panel.selectedToken !== before?.selectedToken && panel.selectedToken !== queryIdx;
  return !isNewRun && !isElsewhere;
}

export function isLayerReady(panel: PanelState): boolean {
  return panel.view.layerIdx < panel.layersDone;
}

/** The map the view asks for, or null while its layer is not ready. */
export function mapRefOf(panel: PanelState | null): MapRef | null {
  const layer = panel && layerOf(panel);
  if (!panel?.tokens || !layer || !isLayerReady(panel)) return null;
  const stage = effectiveStage(layer.stages, panel.view.stage);
  return {
    analysisId: panel.analysisId,
    layerIdx: panel.view.layerIdx,
    headIdx: panel.view.headIdx,
    stage,
    minus: panel.view.difference ? previousStage(layer.stages, stage) : null,
    nTokens: panel.tokens.labels.length,
  };
}
