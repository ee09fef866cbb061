/** What exports read: one analyzed window, wherever it was analyzed, and the chosen map. */

import { version } from '../../package.json';
import type { Rect } from '../shared/address';
import type {
  AnalysisWindow,
  ExecutionProvider,
  LayerOverview,
  ModelSummary,
  Predictions,
  WindowTokens,
} from '../shared/analysis';
import type { HeadMeasures } from '../shared/headMeasures';
import { rowSumNote, stageNames } from '../shared/labels';
import type { Stage } from '../shared/operators';
import type { ExportFormat } from '../shared/panel/exportFormats';
import { linesOfLabels } from '../shared/places';

export interface ExportSource {
  /** The document's name. */
  readonly name: string;
  readonly model: ModelSummary;
  readonly provider: ExecutionProvider;
  readonly window: AnalysisWindow;
  readonly windowLines: { readonly first: number; readonly last: number; readonly of: number };
  readonly tokens: WindowTokens;
  readonly predictions: Predictions;
  readonly durationMs: number;
  /** What is selected, for the page to open on; absent: nothing. */
  readonly selection?: { readonly token: number; readonly anchor: number | null };
  /** What was changed in the model, in words; null when it ran as trained. */
  readonly ablation: string | null;
  /**
   * Borders of the tokens as `tokens.offsets`, in code points of the document, as Python counts; null where the document
   * changed since.
   */
  codePointOffsets(): Uint32Array | null;
  /** Pooled maps of all heads. */
  overview(layerIdx: number, stage: Stage): Promise<LayerOverview>;
  /** One entry per head. */
  headMeasures(layerIdx: number): Promise<readonly HeadMeasures[]>;
  /** One head's stage, [query, key] at full precision. */
  map(layerIdx: number, headIdx: number, stage: Stage): Promise<Float32Array>;
}

/** Which map. */
export interface MapChoice {
  readonly layer: number;
  readonly head: number;
  /** The requested stage, and the one whose values are given where the layer lacks it. */
  readonly stage: Stage;
  readonly shownStage: Stage;
  /** A stage that is subtracted. */
  readonly minus?: Stage | null;
  /** Of the map the part that is exported; absent: all of it. */
  readonly part?: Rect | null;
  /** All stages of the head side by side, in place of the one. */
  readonly isAllStages?: boolean;
}

/** What of a choice a format has: CSV files have a part, pictures also all stages, the others whole maps. */
export function choiceFor(format: ExportFormat, choice: MapChoice): MapChoice {
  if (format === 'png' || format === 'svg') return choice;
  const { isAllStages, part, ...map } = choice;
  return format === 'csv' && part ? { ...map, part } : map;
}

/** The chosen map, its difference taken. */
export async function chosenMap(source: ExportSource, choice: MapChoice): Promise<Float32Array> {
  const { layer, head, shownStage, minus } = choice;
  const map = await source.map(layer, head, shownStage);
  if (!minus) return map;
  const other = await source.map(layer, head, minus);
  return map.map((value, i) => value - other[i]!);
}

/** Name of the tool and its version, as every export carries it. */
export const toolVersion = `MTA Inspector ${version}`;

/** Offsets of a text in code points. @param offsets ascending, UTF-16, none inside of a character */
export function codePointOffsets(text: string, offsets: Uint32Array): Uint32Array {
  let [position, count] = [0, 0];
  return offsets.map(offset => {
    for (; position < offset; position++) {
      if (!(isLow(text.charCodeAt(position)) && isHigh(text.charCodeAt(position - 1)))) count++;
    }
    return count;
  });
}

const isHigh = (unit: number) => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number) => unit >= 0xdc00 && unit < 0xe000;

/** What an export is of: every export says it in itself, a CSV file in the file beside it. */
export interface MapFacts {
  readonly file: string;
  readonly model: string;
  readonly layer: number;
  readonly head: number;
  readonly stage: Stage;
  readonly minus: Stage | null;
  readonly ablation: string | null;
  readonly window: {
    readonly start: number;
    readonly end: number;
    readonly document_length: number;
    readonly tokens: number;
    readonly first_line: number;
    readonly last_line: number;
  };
  /** Of the map the part that it holds, all ends included, lines those of the queries; null: all of it. */
  readonly part: {
    readonly first_query: number;
    readonly last_query: number;
    readonly first_key: number;
    readonly last_key: number;
    readonly first_line: number;
    readonly last_line: number;
  } | null;
  /** The stages of a picture of all of them; null: `stage` only. */
  readonly stages: readonly Stage[] | null;
  readonly version: string;
}

export function mapFacts(
  { name, model, window, windowLines, tokens, ablation }: ExportSource,
  choice: MapChoice,
): MapFacts {
  return {
    file: name,
    model: model.name,
    layer: choice.layer,
    head: choice.head,
    stage: choice.shownStage,
    minus: choice.minus ?? null,
    ablation,
    window: {
      start: window.start,
      end: window.end,
      document_length: window.documentLength,
      tokens: tokens.ids.length,
      first_line: windowLines.first,
      last_line: windowLines.last,
    },
    part: choice.part ? partFacts(choice.part, tokens, windowLines.first) : null,
    stages: choice.isAllStages ? model.layers[choice.layer]!.stages : null,
    version: toolVersion,
  };
}

function partFacts({ queryStart, nQueries, keyStart, nKeys }: Rect, { labels }: WindowTokens, firstLine: number) {
  const lines = linesOfLabels(labels, firstLine);
  const lastQuery = queryStart + nQueries - 1;
  return {
    ...{ first_query: queryStart, last_query: lastQuery, first_key: keyStart, last_key: keyStart + nKeys - 1 },
    ...{ first_line: lines[queryStart]!, last_line: lines[lastQuery]! },
  };
}

/** The JSON beside a CSV file; documented in cli/schemas/facts.schema.json. */
export function factsJson(source: ExportSource, choice: MapChoice) {
  const { operators } = source.model.layers[choice.layer]!;
  const row_sum_note = (!choice.minus && rowSumNote(operators, choice.shownStage)) || null;
  return {
    ...{ format: factsFormat, ...mapFacts(source, choice), row_sum_note },
    ...{ provider: source.provider, columns: csvColumns },
  };
}

export const factsFormat = 'mta-facts-1';

/** What the columns of a CSV file hold. */
export const csvColumns = {
  query: 'token that looks, index from 0',
  key: 'token looked at, index from 0, at most query: masked cells have no row',
  query_token:
    'text of the query; an apostrophe stands before a leading = + - @ (full-width too), tab or carriage return, which spreadsheets would read as a formula',
  key_token: 'text of the key, likewise',
  value: 'the cell, unitless; may be negative',
} as const;

/** Where the facts of a CSV file lie. */
export function csvSidecar(file: string): string {
  return `${file}.json`;
}

/** The facts as two lines for people. */
export function captionOf(facts: MapFacts): readonly [string, string] {
  const { window, minus, part } = facts;
  const stage = facts.stages
    ? 'All stages'
    : minus
      ? `${stageNames[facts.stage].label} minus ${stageNames[minus].inText}`
      : stageNames[facts.stage].label;
  const shown = part
    ? `, of these queries ${part.first_query}–${part.last_query} (${linesOf(part)}) and keys ${part.first_key}–${part.last_key}`
    : '';
  return [
    `${facts.model}${facts.ablation ? ` (${facts.ablation})` : ''} · layer ${facts.layer} · head ${facts.head} · ${stage}`,
    `${facts.file}, ${linesOf(window)}, ${window.tokens} tokens${shown} · ${facts.version}`,
  ];
}

function linesOf({ first_line: first, last_line: last }: { readonly first_line: number; readonly last_line: number }) {
  return first === last ? `line ${first}` : `lines ${first}–${last}`;
}

/** What Windows takes for a device, whatever ending it has. */
const deviceName = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
/** UTF-16 units of the document's name; systems allow 255 bytes for the whole. */
const longestBase = 60;

/** A file name for a map: letters, digits, dots, dashes and underscores only, and none that a system reserves. */
export function exportName(facts: MapFacts, extension: string): string {
  // A page holds all maps of all heads.
  const isPage = extension === 'html';
  const clean = (facts.file.split(/[\\/]/).at(-1) ?? '').replace(/[^\p{L}\p{N}._-]+/gu, '_').replace(/^\.+/, '');
  const base = Array.from(clean).slice(0, longestBase).join('') || 'map';
  const stage = facts.stages ? 'all_stages' : facts.minus ? `${facts.stage}-minus-${facts.minus}` : facts.stage;
  const { part } = facts;
  const lines = part ? `.lines${part.first_line}-${part.last_line}` : '';
  const safe = deviceName.test(base) ? `_${base}` : base;
  return `${safe}.${isPage ? 'attention' : `layer${facts.layer}.head${facts.head}.${stage}${lines}`}.${extension}`;
}
