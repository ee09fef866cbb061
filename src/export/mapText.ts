/** A map as text: CSV, and JSON in the form of `mta-inspect analyze --json`. Pure but for the maps it waits for. */

import type { AnalysisWindow, ModelSummary } from '../shared/analysis';
import { rowSumNote } from '../shared/labels';
import { type Operator, operators, type Stage } from '../shared/operators';
import { chosenMap, csvColumns, type ExportSource, type MapChoice, toolVersion } from './source';

/** How outputs name a model. */
export interface ModelJson {
  readonly name: string;
  readonly n_layers: number;
  readonly n_heads: number;
  /** Type of quantized weights as their file names it. */
  readonly weights?: string;
  /** What they are in memory. */
  readonly weights_kept_as?: string;
}

export function modelJson({ name, nLayers, nHeads, weightType, weightsKeptAs }: ModelSummary): ModelJson {
  return {
    ...{ name, n_layers: nLayers, n_heads: nHeads },
    ...(weightType ? { weights: weightType } : {}),
    ...(weightsKeptAs ? { weights_kept_as: weightsKeptAs } : {}),
  };
}

/** The JSON of `analyze --json`; documented in cli/schemas/analyze.schema.json. */
export interface AnalyzeJson {
  readonly format: 'mta-analyze-1';
  readonly version: string;
  readonly file: string;
  readonly model: ModelJson;
  readonly provider: string;
  readonly layer: number;
  readonly head: number;
  /** The requested stage, and the one whose values are given where the layer lacks it. */
  readonly stage: string;
  readonly shown_stage: Stage;
  /** The stage that was subtracted, where a difference is shown. */
  readonly minus?: string;
  /** What the layer's attention does, in order, with the stage that each step makes; empty for view-only models. */
  readonly operators: readonly { readonly name: Operator; readonly stage: Stage | null; readonly formula: string }[];
  /** Why rows of the shown stage do not sum to 1; null for scores and where they do. */
  readonly row_sum_note: string | null;
  readonly window: { readonly start: number; readonly end: number; readonly document_length: number };
  readonly tokens: readonly {
    readonly index: number;
    readonly id: number;
    readonly text: string;
    readonly start: number;
    readonly end: number;
    /** The same in code points, as Python counts; null where the document changed since. */
    readonly start_codepoint: number | null;
    readonly end_codepoint: number | null;
    readonly surprisal_bits: number | null;
    readonly predictions: readonly { readonly id: number; readonly text: string; readonly probability: number }[];
  }[];
  readonly rows: readonly {
    readonly query: number;
    /** Sum over the keys; 1 for `pattern` only, less where the layer has sinks. */
    readonly sum: number;
    /** What the sink took of a row of `pattern`; absent for other stages and layers without sinks. */
    readonly sink?: number;
    readonly top: readonly { readonly key: number; readonly weight: number }[];
  }[];
}

export async function analyzeJson(source: ExportSource, choice: MapChoice, topK: number): Promise<AnalyzeJson> {
  const { model, tokens, window, predictions } = source;
  const map = await chosenMap(source, choice);
  const nTokens = tokens.ids.length;
  const codePoints = source.codePointOffsets();
  const steps = model.layers[choice.layer]!.operators;
  const hasSink = choice.shownStage === 'pattern' && !choice.minus && steps.includes('sink_softmax');
  return {
    format: 'mta-analyze-1',
    version: toolVersion,
    file: source.name,
    model: modelJson(model),
    provider: source.provider,
    layer: choice.layer,
    head: choice.head,
    stage: choice.stage,
    shown_stage: choice.shownStage,
    ...(choice.minus ? { minus: choice.minus } : {}),
    operators: steps.map(name => ({ name, stage: operators[name].stage, formula: operators[name].formula })),
    row_sum_note: rowSumNote(steps, choice.shownStage) || null,
    window: windowJson(window),
    tokens: Array.from(tokens.ids, (id, index) => ({
      index,
      id,
      text: tokens.labels[index]!,
      start: tokens.offsets[index]!,
      end: tokens.offsets[index + 1]!,
      start_codepoint: codePoints?.[index] ?? null,
      end_codepoint: codePoints?.[index + 1] ?? null,
      surprisal_bits: Number.isNaN(predictions.surprisalBits[index]) ? null : predictions.surprisalBits[index]!,
      predictions: topPredictions(source, index),
    })),
    rows: Array.from({ length: nTokens }, (_, query) => {
      const row = map.subarray(query * nTokens, query * nTokens + query + 1);
      const sum = row.reduce((total, x) => total + x, 0);
      return { query, sum, ...(hasSink ? { sink: 1 - sum } : {}), top: strongest(row, topK) };
    }),
  };
}

/** As `analyzeJson`, with the whole map. */
export async function mapJson(source: ExportSource, choice: MapChoice, topK: number): Promise<string | Uint8Array> {
  const nTokens = source.tokens.ids.length;
  const map = await chosenMap(source, choice);
  const text = new LongText();
  const head = JSON.stringify(await analyzeJson(source, choice, topK));
  text.add(`${head.slice(0, -1)},"map":[`);
  // Rows end at the diagonal: later keys are masked, not zero.
  for (let i = 0; i < nTokens; i++) {
    text.add(`${i === 0 ? '' : ','}${JSON.stringify(Array.from(map.subarray(i * nTokens, i * nTokens + i + 1)))}`);
  }
  text.add(']}');
  return text.content();
}

/**
 * One row per allowed cell, as RFC 4180 has it but for the line ends.
 * @param hasByteOrderMark whether it begins with a mark by which spreadsheets recognize UTF-8.
 */
export async function mapCsv(
  source: ExportSource,
  choice: MapChoice,
  hasByteOrderMark: boolean,
): Promise<string | Uint8Array> {
  const { tokens } = source;
  const map = await chosenMap(source, choice);
  const nTokens = tokens.ids.length;
  const text = new LongText();
  text.add(`${hasByteOrderMark ? '\ufeff' : ''}${Object.keys(csvColumns).join(',')}\n`);
  const cells = tokens.labels.map(csvField);
  const { queryStart, keyStart, nQueries, nKeys } = choice.part ?? {
    ...{ queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens },
  };
  for (let query = queryStart; query < queryStart + nQueries; query++) {
    for (let key = keyStart; key < Math.min(keyStart + nKeys, query + 1); key++) {
      text.add(`${query},${key},${cells[query]},${cells[key]},${map[query * nTokens + key]}\n`);
    }
  }
  return text.content();
}

/** Text that may be longer than a string can be. */
class LongText {
  private readonly parts: Uint8Array[] = [];
  private pending = '';

  add(text: string): void {
    this.pending += text;
    if (this.pending.length > pendingLength) this.flush();
  }

  /** Bytes where a string could not hold it. */
  content(): string | Uint8Array {
    if (this.parts.length === 0) return this.pending;
    this.flush();
    const bytes = Buffer.concat(this.parts);
    return bytes.length < longestString ? bytes.toString() : bytes;
  }

  private flush(): void {
    this.parts.push(Buffer.from(this.pending));
    this.pending = '';
  }
}

const pendingLength = 1 << 22;
/** Node's strings have half a billion characters at most. */
const longestString = 1 << 28;

/** Largest magnitudes of a row, in descending order. */
function strongest(row: Float32Array, k: number): { key: number; weight: number }[] {
  return Array.from(row, (weight, key) => ({ key, weight }))
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || a.key - b.key)
    .slice(0, k);
}

/** A window as every JSON of the command line has it. */
export function windowJson({ start, end, documentLength }: AnalysisWindow) {
  return { start, end, document_length: documentLength };
}

function topPredictions({ predictions }: ExportSource, index: number) {
  const { k, topIds, topProbabilities, labels } = predictions;
  return Array.from({ length: k }, (_, i) => {
    const id = topIds[index * k + i]!;
    return { id, text: labels[id] ?? '', probability: topProbabilities[index * k + i]! };
  });
}

/** Quoted, and with a leading apostrophe where a spreadsheet would take the text for a formula. */
function csvField(text: string): string {
  const safe = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}
