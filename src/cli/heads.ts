/** `mta-inspect heads`: measures of every head on a file's window, ranked by one of them. */

import { headKindOf } from '../attention/headKinds';
import { type MeasuredHead, measures, rankHeads } from '../attention/headRanking';
import type { HeadMeasures, MeasureName } from '../shared/headMeasures';
import type { Quantity } from '../shared/relevance';
import { quantityTexts } from './context';
import { type AnalyzedDocument, type DocumentJson, documentJson, documentRun } from './document';
import { oneLine } from './terminal';

/** The JSON of `heads --json`; documented in schemas/heads.schema.json. Numbers are null where a head lacks them. */
export interface HeadsJson extends DocumentJson {
  readonly format: 'mta-heads-1';
  /** What the measures of the last stage are of. */
  readonly quantity: Quantity;
  readonly ranked_by: string;
  readonly heads: readonly HeadJson[];
}

/** One head: its place, its kind (attention/headKinds.ts), and its measures by their names in JSON. */
export interface HeadJson {
  readonly layer: number;
  readonly head: number;
  readonly kind: string;
  readonly [measure: string]: number | string | null;
}

export async function headsJson(
  document: AnalyzedDocument,
  by: MeasureName,
  quantity: Quantity = 'weight',
): Promise<HeadsJson> {
  const { engine } = document;
  const heads: MeasuredHead[] = [];
  for (let layerIdx = 0; layerIdx < engine.model.nLayers; layerIdx++) {
    const layer = await engine.details.headMeasures({ analysisId: documentRun, layerIdx, quantity });
    heads.push(...layer.map((values, headIdx) => ({ layerIdx, headIdx, values })));
  }
  return {
    format: 'mta-heads-1',
    ...documentJson(document),
    quantity,
    ranked_by: snakeCase(by),
    heads: rankHeads(heads, by).map(({ layerIdx, headIdx, values }) => ({
      layer: layerIdx,
      head: headIdx,
      kind: headKindOf(values).name,
      ...numbers(values),
    })),
  };
}

/** A table for people. */
export function headsText(json: HeadsJson, nRows = 20): string {
  const names = measures.map(({ name }) => snakeCase(name));
  const lines = [
    `${oneLine(json.file)}: ${json.tokens} tokens, ${oneLine(json.model.name)} on ${json.provider}, heads ranked by ${json.ranked_by} of ${quantityTexts[json.quantity]}`,
    `layer head  ${'kind'.padEnd(15)} ${names.map(name => name.padStart(16)).join(' ')}`,
  ];
  for (const head of json.heads.slice(0, nRows)) {
    const cells = names.map(name => {
      const value = head[name];
      return (typeof value === 'number' ? value.toFixed(4) : '–').padStart(16);
    });
    const place = `${String(head.layer).padStart(5)} ${String(head.head).padStart(4)}`;
    lines.push(`${place}  ${head.kind.padEnd(15)} ${cells.join(' ')}`);
  }
  if (json.heads.length > nRows) lines.push(`${json.heads.length - nRows} more (all of them with --json)`);
  return lines.join('\n');
}

/** The command line's names of the measures. */
export const measureNames: ReadonlyMap<string, MeasureName> = new Map(
  measures.map(({ name }) => [snakeCase(name), name]),
);

function numbers(values: HeadMeasures): Record<string, number | null> {
  return Object.fromEntries(
    measures.map(({ name }) => [snakeCase(name), Number.isNaN(values[name]) ? null : values[name]]),
  );
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}
