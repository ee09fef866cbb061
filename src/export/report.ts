/** Gathers what the exported HTML page shows: every stage of every head, pooled, and one head's exactly. */

import { createHash } from 'node:crypto';
import { deflateSync } from 'fflate';
import type { MeasureName } from '../shared/headMeasures';
import { asTrained } from '../shared/panel/panelAblation';
import {
  buildReportHtml,
  longestExactReport,
  type ReportData,
  type ReportMap,
  type ReportOverview,
} from '../shared/panel/report';
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
      overviews.push({ layerIdx, stage, blockSize, size, scales: [...scales], cells: compressed(cells) });
    }
  }
  const isExact = tokens.ids.length <= longestExactReport;
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
    maps: isExact ? await exactMaps(source, choice) : [],
    measures: isExact ? await measuresOf(source) : [],
  };
}

async function exactMaps(source: ExportSource, { layer, head }: MapChoice): Promise<ReportMap[]> {
  const nTokens = source.tokens.ids.length;
  const maps: ReportMap[] = [];
  for (const stage of source.model.layers[layer]?.stages ?? []) {
    const map = await source.map(layer, head, stage);
    const cells = new Float32Array((nTokens * (nTokens + 1)) / 2);
    for (let query = 0, at = 0; query < nTokens; query++, at += query) {
      cells.set(map.subarray(query * nTokens, query * nTokens + query + 1), at);
    }
    maps.push({ layerIdx: layer, headIdx: head, stage, cells: compressed(cells) });
  }
  return maps;
}

async function measuresOf(source: ExportSource): Promise<ReportData['measures']> {
  const layers: Record<MeasureName, number | null>[][] = [];
  for (const { layerIdx } of source.model.layers) {
    const heads = await source.headMeasures(layerIdx);
    const written = (value: number) => (Number.isNaN(value) ? null : Number(value.toPrecision(6)));
    layers.push(
      heads.map(
        head =>
          Object.fromEntries(Object.entries(head).map(([name, value]) => [name, written(value)])) as Record<
            MeasureName,
            number | null
          >,
      ),
    );
  }
  return layers;
}

function compressed({ buffer, byteOffset, byteLength }: Int8Array | Float32Array): string {
  return Buffer.from(deflateSync(new Uint8Array(buffer, byteOffset, byteLength))).toString('base64');
}
