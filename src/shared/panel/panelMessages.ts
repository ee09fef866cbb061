/** Messages between the extension host and the webview; types only. Carried by shared/rpc over postMessage. */

import type { Ablation } from '../ablation';
import type { Cell, LayerAddress, PartAddress, TokenRange } from '../address';
import type { AnalysisWindow, ExecutionProvider, ModelSummary, PanelTokens, Predictions } from '../analysis';
import type { CellChange, HeadOverview, MapAddress, Patch, PatchAddress, Tile, TileAddress } from '../attentionMap';
import type { DocumentSearchState } from '../documentSearch';
import type { HeadAblationArgs, HeadAblationEffect } from '../headAblation';
import type { HeadMeasures } from '../headMeasures';
import type { KernelHistory, KernelWeights } from '../kernels';
import type { Stage } from '../operators';
import type { Direction, OcclusionMode, RelevanceOptions } from '../relevance';
import type { FailureData } from '../tools/failure';
import type { FilePart } from '../tools/fileParts';
import type { AnswerAddress, HideAddress, HideEffect, TokenAnswer } from './answer';
import type { PanelComparison } from './comparison';
import type { PanelContext, PanelContextLines } from './context';
import type { ChangeEffect, ChangeRequest } from './experiment';
import type { ExportChoice, ExportFormat } from './exportFormats';
import type { AblationStep, PanelAblation, Ranking } from './panelAblation';

/** Which map is looked at. Shared by panel, hover and decorations; the host owns it. */
export interface View {
  readonly layerIdx: number;
  readonly headIdx: number;
  readonly stage: Stage;
  /** Show `stage` minus the stage before it, instead of the stage. */
  readonly difference: boolean;
}

type AnalysisStatus = 'idle' | 'loading' | 'running' | 'done' | 'cancelled' | 'failed';

/** Everything the webview needs to draw itself but the maps. How it travels: panelUpdates.ts. */
export interface PanelState {
  readonly status: AnalysisStatus;
  readonly analysisId: number;
  readonly documentLabel: string | null;
  readonly model: ModelSummary | null;
  readonly provider: ExecutionProvider | null;
  readonly window: AnalysisWindow | null;
  /** Lines of the window in the document, 1-based, for "lines a-b of n". */
  readonly windowLines: { readonly first: number; readonly last: number; readonly of: number } | null;
  /** Why the range is as long as it is, where the rest of the document was left out. */
  readonly rangeReason: string | null;
  /** The window stays where it is; otherwise it follows the cursor. */
  readonly isPinned: boolean;
  readonly tokens: PanelTokens | null;
  /** Layers whose maps are ready: 0 .. layersDone - 1. */
  readonly layersDone: number;
  /** The document changed since; the maps describe an older version. */
  readonly isStale: boolean;
  readonly failure: FailureData | null;
  readonly view: View;
  readonly ablation: PanelAblation;
  /** The token (query) selected in the editor or in the panel. */
  readonly selectedToken: number | null;
  /** The other end of a selected range of tokens; null when one token or none is selected. */
  readonly selectionAnchor: number | null;
  /** The word that is explained while nothing is selected: the one at the cursor, else the most surprising one in view. */
  readonly suggestion: TokenRange | null;
  /** A question appended to the document for the model only; its tokens lie behind the document's end. */
  readonly question: string | null;
  /** The text in the editor that is looked at, where it is another one than the inspected. */
  readonly otherInFront: string | null;
  readonly durationMs: number | null;
}

/** Small pictures of some heads of a layer: the last stage, each on its own scale. */
export interface Thumbnails {
  readonly size: number;
  /** Shape [head]; a cell's value is cell / 127 * scale. */
  readonly scales: Float32Array;
  /** Shape [head, size, size]; a cell is the strongest, with its sign, of those it covers. */
  readonly cells: Int8Array;
}

/** What a run's tokens are: sent once a run. */
export interface RunTokens extends Omit<PanelTokens, 'surprisalBits'> {
  readonly analysisId: number;
}

/** The fields of the state that changed. */
export type PanelUpdate = Partial<Omit<PanelState, 'tokens'>> & {
  readonly surprisalBits?: PanelTokens['surprisalBits'];
};

/** Weights of one head's stage for a range of tokens, in one direction; see attention/aggregate.ts. */
export interface RangeAddress extends MapAddress {
  readonly range: TokenRange;
  readonly direction: Direction;
}

/** Commands the panel's buttons may start; the host maps them to registered commands. */
export const panelCommands = [
  'inspectDocument',
  'inspectSelection',
  'cancel',
  'selectModel',
  'showLog',
  'compare',
  'endComparison',
  'openSettings',
  'copyLink',
  'findContext',
  'searchDocument',
  'cancelSearch',
  'showRelevantLines',
] as const;
export type PanelCommand = (typeof panelCommands)[number];

/** Requests the host answers. */
export interface PanelRequests {
  /** First message of a webview: it is listening. Answer: the whole state. */
  ready(args: Record<string, never>): PanelState;
  /** Fails with `no-analysis` when the run is no longer the current one or the layer is not ready. */
  overview(args: MapAddress): HeadOverview;
  tile(args: TileAddress): Tile;
  patch(args: PatchAddress): Patch;
  /** The learned parts that a run's layer was computed with. */
  kernels(args: LayerAddress): readonly KernelWeights[];
  /** The same in earlier training steps; null where the model brings none. */
  kernelHistory(args: LayerAddress): KernelHistory | null;
  /** The cells where a part changed the head's attention most, the largest change first. */
  largestChanges(args: PartAddress): readonly CellChange[];
  setView(args: View): void;
  /**
   * Selects a token (null: none) or, with an anchor, the range from it to the token; shades its context in the document
   * and reveals the token on request.
   */
  selectToken(args: {
    readonly tokenIdx: number | null;
    readonly anchorIdx?: number | null;
    readonly reveal: boolean;
  }): void;
  /** Surprisal and likeliest next tokens of a run, also of the one that is compared with. Fails with `no-analysis` until it is done. */
  predictions(args: { readonly analysisId: number }): Predictions;
  /** Where a prediction comes from. */
  answer(args: AnswerAddress): TokenAnswer;
  /** What changing something about the model or its text does. Cancelled between layers. */
  change(args: ChangeRequest): ChangeEffect;
  /** What switching heads off does to the predictions, in any family. Cancelled between layers. */
  ablateHeads(args: HeadAblationArgs): HeadAblationEffect;
  /** What hiding some tokens does to a prediction. Cancelled between layers. */
  hide(args: HideAddress): HideEffect;
  /** One weight per token. */
  rangeWeights(args: RangeAddress): Float32Array;
  /** The relevant context but its lines; changes come as `context` events. */
  context(args: Record<string, never>): PanelContext;
  /** The relevant lines that are there now. */
  contextLines(args: Record<string, never>): PanelContextLines;
  setRelevance(args: RelevanceOptions): void;
  /** Checks the relevance of lines by occluding them; progress comes as `context` events. */
  occlude(args: { readonly mode: OcclusionMode }): void;
  cancelOcclusion(args: Record<string, never>): void;
  /** Shows a line of the inspected document, from 0. */
  revealLine(args: { readonly lineIdx: number }): void;
  /** Frames the two tokens of a cell in the document and shows them. */
  showPlace(args: Cell): void;
  /** The document search as it is; changes come as `documentSearch` events. */
  documentSearch(args: Record<string, never>): DocumentSearchState | null;
  /** Shows a place of the searched document, UTF-16. */
  revealInDocument(args: { readonly offset: number }): void;
  /** Asks where and saves the current map there. Answers false when the reader cancels. */
  save(args: { readonly format: ExportFormat } & ExportChoice): boolean;
  /** Copies the current map as text. */
  copy(args: { readonly format: ExportFormat } & ExportChoice): void;
  /** A part of the current map as a PNG file, for the webview to copy. Part 0 draws it, the others are of that drawing. */
  picture(args: ExportChoice & { readonly partIdx: number }): FilePart;
  /** The view that a link opens; null when there is none, or a page has taken it. */
  tab(args: Record<string, never>): string | null;
  /** Reports the current view, for links to it. */
  setTab(args: { readonly tab: string }): void;
  command(args: { readonly command: PanelCommand }): void;
  /** Computes the current document with these changes; the state shows when it is done. */
  setAblation(args: Ablation): void;
  /** The second run as it is; changes come as `comparison` events. */
  comparison(args: Record<string, never>): PanelComparison | null;
  stepAblation(args: { readonly step: AblationStep }): void;
  /** Tries all single ablations; `ranking` events report progress. */
  rankAblations(args: { readonly withHeads: boolean }): void;
  cancelRanking(args: Record<string, never>): void;
  ranking(args: Record<string, never>): Ranking | null;
  /** One entry per head. */
  headMeasures(args: LayerAddress): readonly HeadMeasures[];
  thumbnails(args: ThumbnailAddress): Thumbnails;
}

/** At most `maxThumbnails` heads at once. */
export interface ThumbnailAddress extends LayerAddress {
  readonly headStart: number;
  readonly nHeads: number;
}

/** 4 KiB each: under the 1 MiB that a message may have. */
export const maxThumbnails = 128;

/** Events the host sends. */
export interface PanelEvents {
  /** Comes before the `state` that names its run. */
  tokens: RunTokens;
  state: PanelUpdate;
  ranking: Ranking | null;
  /** A link asks for a view. */
  tab: { readonly tab: string };
  /** A cell to look at. */
  cell: Cell;
  comparison: PanelComparison | null;
  context: PanelContext;
  documentSearch: DocumentSearchState | null;
}
