/** `mta-inspect export`: maps of a file in every format of the panel. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportMap } from '../export/exportMap';
import { defaultStyle } from '../export/picture';
import type { PictureStyle } from '../shared/colorScale';
import type { Stage } from '../shared/operators';
import type { ExportFormat } from '../shared/panel/exportFormats';
import { type AnalyzedDocument, chooseMap, sourceOf } from './document';

export interface ExportOptions {
  /** Absent: every layer and head in npz, the panel's default elsewhere. */
  readonly layer: number | undefined;
  readonly head: number | undefined;
  readonly stage: Stage | undefined;
  readonly topK: number;
  readonly hasByteOrderMark?: boolean;
  readonly style?: PictureStyle;
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
    choice: chooseMap(document.engine, options),
    layers: options.layer === undefined ? all(nLayers) : [options.layer],
    heads: options.head === undefined ? all(nHeads) : [options.head],
    topK: options.topK,
    hasByteOrderMark: options.hasByteOrderMark === true,
    style: options.style ?? defaultStyle,
    page: async () => ({ script: await dist('report.js'), style: await dist('report.css') }),
  });
}
