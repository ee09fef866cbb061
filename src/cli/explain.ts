/** `mta-inspect explain`: a logit split over embedding, heads, source tokens, MLPs and biases. */

import { toolVersion } from '../export/source';
import type { CellAddress, CellSplit, FrozenPart, LogitAttribution } from '../shared/attribution';
import type { RowKind } from '../shared/relevance';
import { type AnalyzedDocument, type DocumentJson, documentJson, documentRun } from './document';
import { checkToken, selectedTokens, type TargetChoice, type TokenJson, tokenQuestion } from './targets';
import { oneLine } from './terminal';

export interface ExplainOptions {
  readonly at: number;
  readonly row: RowKind;
  readonly target: TargetChoice;
  /** Id of a token whose logit is subtracted. */
  readonly minus: number | undefined;
  /** Also every source token of every head. */
  readonly hasCells: boolean;
  /** Cells that are split over taps and source heads. */
  readonly split: readonly CellAddress[];
}

/** The JSON of `explain --json`; documented in schemas/explain.schema.json. */
export interface ExplainJson extends Omit<DocumentJson, 'tokens'> {
  readonly format: 'mta-explain-1';
  readonly version: string;
  /** The token at --at. */
  readonly selected: { readonly token: number; readonly text: string };
  /** The row whose output makes the logit, and what it is to the selected token. */
  readonly row: number;
  readonly row_kind: RowKind;
  readonly target: TokenJson;
  readonly minus: TokenJson | null;
  readonly logit: number;
  readonly centered: boolean;
  readonly embedding: number;
  /** [layer][head] */
  readonly heads: readonly (readonly number[])[];
  readonly mlps: readonly number[];
  readonly other: number;
  readonly remainder: number;
  /** Logits are cap * tanh(sum of the parts / cap); null where they are not capped. */
  readonly logit_cap: number | null;
  /** Per source token 0 to `row`, over all heads. */
  readonly tokens: readonly number[];
  readonly token_texts: readonly string[];
  readonly frozen: readonly FrozenPart[];
  /** Only with --cell, in the order given. */
  readonly splits?: readonly CellSplitJson[];
  /** [layer][head][token]; only with --cells. */
  readonly cells?: readonly (readonly (readonly number[])[])[];
}

interface CellSplitJson {
  readonly layer: number;
  readonly head: number;
  readonly token: number;
  readonly contribution: number;
  readonly parts: readonly {
    readonly head: number;
    readonly query: number;
    readonly key: number;
    readonly weight: number;
    readonly pattern: number;
    readonly contribution: number;
  }[];
}

export async function explainJson(document: AnalyzedDocument, options: ExplainOptions): Promise<ExplainJson> {
  const { engine, tokens } = document;
  const { at, row: kind, target, minus, hasCells, split } = options;
  if (minus !== undefined) checkToken('--minus', minus, engine.model.vocabSize);
  const selection = selectedTokens(document, at, undefined);
  const { rows, targets } = tokenQuestion(document, selection, kind, target);
  const found = await engine.explain({
    ...{ analysisId: documentRun, row: rows.first, target: targets[0]!, minus },
    cells: split,
  });
  const { nLayers } = engine.model;
  const { tokens: _, ...place } = documentJson(document);
  return {
    ...{ format: 'mta-explain-1', version: toolVersion, ...place },
    selected: { token: selection.first, text: tokens.labels[selection.first]! },
    ...{ row: found.row, row_kind: kind, target: found.target, minus: found.minus },
    ...{ logit: found.logit, centered: found.isCentered, embedding: found.embedding },
    heads: rowsOf(found.heads, nLayers),
    mlps: [...found.mlps],
    ...{ other: found.other, remainder: found.remainder, logit_cap: found.cap },
    tokens: [...found.tokens],
    token_texts: tokens.labels.slice(0, found.row + 1),
    frozen: found.frozen,
    ...(found.splits ? { splits: found.splits.map(splitJson) } : {}),
    ...(hasCells ? { cells: cellsOf(found, nLayers, engine.model.nHeads) } : {}),
  };
}

function splitJson({ layerIdx, headIdx, keyIdx, contribution, parts }: CellSplit): CellSplitJson {
  return {
    ...{ layer: layerIdx, head: headIdx, token: keyIdx, contribution },
    parts: parts.map(part => ({
      ...{ head: part.headIdx, query: part.queryIdx, key: part.keyIdx },
      ...{ weight: part.weight, pattern: part.pattern, contribution: part.contribution },
    })),
  };
}

/** A table for people: the parts, and the largest heads and source tokens. */
export function explainText(json: ExplainJson, nRows = 8): string {
  const quoted = (text: string) => oneLine(JSON.stringify(text));
  const named = ({ id, text }: TokenJson) => `${quoted(text)} (${id})`;
  const line = (name: string, value: number) => `${number(value)}  ${name}`;
  const heads = json.heads.flatMap((layer, l) => layer.map((value, h) => ({ name: `L${l}H${h}`, value })));
  const sources = json.tokens.map((value, i) => ({ name: `token ${i} ${quoted(json.token_texts[i]!)}`, value }));
  const mlps = json.mlps.map((value, l) => ({ name: `MLP of layer ${l}`, value }));
  const total = (parts: readonly { readonly value: number }[]) => parts.reduce((sum, { value }) => sum + value, 0);
  const what = json.minus ? `${named(json.target)} minus ${named(json.minus)}` : named(json.target);
  const how = json.minus ? 'difference of logits' : 'logit minus the mean logit';
  return [
    `${oneLine(json.file)}: ${oneLine(json.model.name)}, ${json.row_kind} row ${json.row} of token ${json.selected.token} ${quoted(json.selected.text)}`,
    `${what}: ${how} ${json.logit.toFixed(4)}`,
    line('embedding', json.embedding),
    line('all heads', total(heads)),
    line('all MLPs', total(mlps)),
    line('other (biases)', json.other),
    line(
      json.logit_cap === null ? 'remainder' : `remainder (logits are capped at ${json.logit_cap}, parts are not)`,
      json.remainder,
    ),
    `Held at their values: attention weights, ${[...json.frozen, 'final norm'].join(', ')}.`,
    'Largest heads:',
    ...largest(heads, nRows).map(({ name, value }) => line(name, value)),
    'Largest source tokens, over all heads:',
    ...largest(sources, nRows).map(({ name, value }) => line(name, value)),
    'Largest MLPs:',
    ...largest(mlps, 3).map(({ name, value }) => line(name, value)),
    ...(json.splits ?? []).flatMap(({ layer, head, token, contribution, parts }) => [
      `L${layer}H${head}, token ${token} ${quoted(json.token_texts[token]!)}: ${number(contribution).trim()}, of the patterns`,
      ...largest(
        parts.map(part => ({
          name: `H${part.head}, row ${part.query} on token ${part.key} ${quoted(json.token_texts[part.key]!)}: weight ${part.weight.toFixed(4)}, pattern ${part.pattern.toFixed(4)}`,
          value: part.contribution,
        })),
        nRows,
      ).map(({ name, value }) => line(name, value)),
    ]),
  ].join('\n');
}

function largest<T extends { readonly value: number }>(parts: readonly T[], n: number): T[] {
  return parts.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, n);
}

function number(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(4)}`.padStart(10);
}

function rowsOf(values: Float64Array | Float32Array, nRows: number): number[][] {
  const size = values.length / nRows;
  return Array.from({ length: nRows }, (_, i) => [...values.subarray(i * size, (i + 1) * size)]);
}

function cellsOf({ cells }: LogitAttribution, nLayers: number, nHeads: number): number[][][] {
  const size = cells.length / nLayers;
  return Array.from({ length: nLayers }, (_, layerIdx) =>
    rowsOf(cells.subarray(layerIdx * size, (layerIdx + 1) * size), nHeads),
  );
}
