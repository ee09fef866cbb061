/** `mta-inspect export`: maps of a file in every format of the panel. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultStyle, exportMap } from '../export/exportMap';
import type { MapChoice } from '../export/source';
import type { PictureStyle } from '../shared/colorScale';
import type { Stage } from '../shared/operators';
import type { ExportFormat } from '../shared/panel/exportFormats';
import { Failure } from '../shared/tools/failure';
import { type AnalyzedDocument, chooseMap, sourceOf } from './document';
import { type GivenRange, type RangeUnit, tokensOfRange } from './knockOut';

export interface ExportOptions {
  /** Absent: every layer and head in npz, the panel's default elsewhere. */
  readonly layer: number | undefined;
  readonly head: number | undefined;
  readonly stage: Stage | undefined;
  readonly topK: number;
  readonly hasByteOrderMark?: boolean;
  readonly style?: PictureStyle;
  /** Which part of the map, counted in `unit`; absent: all of it. */
  readonly queries?: GivenRange | undefined;
  readonly keys?: GivenRange | undefined;
  readonly unit?: RangeUnit;
  readonly isAllStages?: boolean;
}

/** The map that the options name. @throws Failure `bad-usage` for what is not in the window. */
export function chosenExport(document: AnalyzedDocument, options: ExportOptions): MapChoice {
  const { queries, keys, unit = 'offsets', isAllStages = false } = options;
  const choice = { ...chooseMap(document.engine, options), isAllStages };
  if (!queries && !keys) return choice;
  const nTokens = document.tokens.ids.length;
  const rows = queries ? tokensOfRange(document, queries, unit, '--queries') : { first: 0, end: nTokens };
  const columns = keys ? tokensOfRange(document, keys, unit, '--keys') : { first: 0, end: rows.end };
  if (columns.first >= rows.end) {
    throw new Failure(
      'bad-usage',
      `--keys begin at token ${columns.first}, after the queries, which end at token ${rows.end - 1}: all of these cells are masked. Choose keys up to the queries.`,
    );
  }
  const part = {
    ...{ queryStart: rows.first, nQueries: rows.end - rows.first },
    ...{ keyStart: columns.first, nKeys: columns.end - columns.first },
  };
  return { ...choice, part };
}

export function exportDocument(
  document: AnalyzedDocument,
  format: ExportFormat,
  options: ExportOptions,
): Promise<string | Uint8Array> {
  const { nLayers, nHeads } = document.engine.model;
  const all = (count: number) => Array.from({ length: count }, (_, i) => i);
  const dist = (name: string) => readFile(join(__dirname, name), 'utf8');
  return exportMap(sourceOf(document), format, {
    choice: chosenExport(document, options),
    layers: options.layer === undefined ? all(nLayers) : [options.layer],
    heads: options.head === undefined ? all(nHeads) : [options.head],
    topK: options.topK,
    hasByteOrderMark: options.hasByteOrderMark === true,
    style: options.style ?? defaultStyle,
    page: async () => ({ script: await dist('report.js'), style: await dist('report.css') }),
  });
}
