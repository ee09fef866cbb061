/** Gathers what the exported HTML page shows: every stage of every head, pooled. */

import { createHash } from 'node:crypto';
import { deflateSync } from 'fflate';
import { asTrained } from '../shared/panel/panelAblation';
import { buildReportHtml, type ReportData, type ReportOverview } from '../shared/panel/report';
import { readableLabels } from '../shared/places';
import { type ExportSource, type MapChoice, toolVersion } from './source';

/** The built page: script and style of the panel's app. */
export interface PageParts {
  readonly script: string;
  readonly style: string;
}

export async function reportHtml(source: ExportSource, choice: MapChoice, page: PageParts): Promise<string> {
  return buildReportHtml(await reportData(source, choice), page, hash);
}

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

async function reportData(source: ExportSource, choice: MapChoice): Promise<ReportData> {
  const { model, tokens, window, windowLines, predictions } = source;
  const overviews: ReportOverview[] = [];
  for (const { layerIdx, stages } of model.layers) {
    for (const stage of stages) {
      const { blockSize, size, scales, cells } = await source.overview(layerIdx, stage);
      const compressed = deflateSync(new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength));
      const base64 = Buffer.from(compressed).toString('base64');
      overviews.push({ layerIdx, stage, blockSize, size, scales: [...scales], cells: base64 });
    }
  }
  return {
    format: 'mta-report-1',
    version: toolVersion,
    state: {
      status: 'done',
      analysisId: 1,
      documentLabel: source.name,
      model: { ...model, directory: '' }, // a path says more of its machine than of the model
      provider: source.provider,
      window,
      windowLines,
      rangeReason: null,
      layersDone: model.nLayers,
      isStale: false,
      isPinned: false,
      failure: null,
      view: { layerIdx: choice.layer, headIdx: choice.head, stage: choice.stage, difference: Boolean(choice.minus) },
      ablation: asTrained,
      selectedToken: source.selection?.token ?? null,
      selectionAnchor: source.selection?.anchor ?? null,
      suggestion: null,
      question: null,
      otherInFront: null,
      durationMs: null, // of a run that may have taken over most of an earlier one
    },
    tokens: {
      labels: readableLabels(tokens),
      offsets: [...tokens.offsets],
      predictions: {
        k: predictions.k,
        topIds: [...predictions.topIds],
        topProbabilities: Array.from(predictions.topProbabilities, value => Number(value.toPrecision(4))),
        labels: predictions.labels,
      },
      surprisalBits: Array.from(predictions.surprisalBits, bits => (Number.isNaN(bits) ? null : bits)),
    },
    overviews,
  };
}
