/** Gathers what the exported HTML page shows: every stage of every head, pooled. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { asTrained } from '../shared/panelAblation';
import { buildReportHtml, type ReportData, type ReportOverview } from '../shared/report';
import type { AnalyzedDocument, MapChoice } from './document';

export async function reportHtml(document: AnalyzedDocument, choice: MapChoice): Promise<string> {
  const dist = (name: string) => readFileSync(join(__dirname, name), 'utf8');
  return buildReportHtml(await reportData(document, choice), dist('report.js'), dist('report.css'));
}

export async function reportData(document: AnalyzedDocument, choice: MapChoice): Promise<ReportData> {
  const { engine, tokens, window, predictions, layers, text } = document;
  const overviews: ReportOverview[] = [];
  for (const { layerIdx, overviews: streamed } of layers) {
    for (const stage of engine.model.layers[layerIdx]!.stages) {
      const overview =
        streamed.find(candidate => candidate.stage === stage) ??
        (await engine.overview({ analysisId: 1, layerIdx, stage }));
      const { blockSize, size, scales, cells } = overview;
      const compressed = deflateRawSync(new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength));
      overviews.push({ layerIdx, stage, blockSize, size, scales: [...scales], cells: compressed.toString('base64') });
    }
  }
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length;
  return {
    format: 'mta-report-1',
    state: {
      status: 'done',
      analysisId: 1,
      documentLabel: document.name,
      model: { ...engine.model, directory: '' }, // a path says more of its machine than of the model
      provider: engine.provider,
      window,
      windowLines: { first: lineAt(window.start), last: lineAt(window.end), of: lineAt(text.length) },
      layersDone: layers.length,
      isStale: false,
      failure: null,
      view: { layerIdx: choice.layer, headIdx: choice.head, stage: choice.stage, difference: false },
      ablation: asTrained,
      selectedToken: null,
      durationMs: document.durationMs,
    },
    tokens: {
      labels: tokens.labels,
      offsets: [...tokens.offsets],
      surprisalBits: Array.from(predictions.surprisalBits, bits => (Number.isNaN(bits) ? null : bits)),
    },
    overviews,
  };
}
