/** `mta-inspect map`: how relevant each line of a file of any length is for a place in it or for a question. */

import { basename } from 'node:path';
import { lineAt, lineStartsOf } from '../attention/lines';
import { toolVersion } from '../export/source';
import type { MappedEvent } from '../inference/protocol';
import type { Stage } from '../shared/attentionMap';
import { type MapMethod, maxMapTokens, probeAt } from '../shared/documentSearch';
import { withQuestion } from '../shared/panel/question';
import { chosenHeads, formatHeads } from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import { piecesAround } from '../shared/tools/textPieces';
import { readHeads } from './context';
import { chooseMap, type DocumentOptions, loadEngine, readText } from './document';

export interface MapOptions extends Omit<DocumentOptions, 'topK' | 'listen' | 'windowStart' | 'question'> {
  /** Asked instead of a place in the file. */
  readonly question: string | undefined;
  /** UTF-16 offset where the selection ends, exclusive; absent: one character, and with it the token at `at`. */
  readonly to: number | undefined;
  readonly method: MapMethod;
  /** As parseHeads reads them. */
  readonly heads: string;
  readonly layer: number | undefined;
  readonly head: number | undefined;
  readonly stage: Stage | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/** The JSON of `map --json`; documented in schemas/map.schema.json. */
export interface MapJson {
  readonly format: 'mta-map-1';
  readonly version: string;
  readonly file: string;
  readonly model: string;
  readonly method: string;
  readonly heads: string;
  readonly max_tokens: number;
  readonly selection: { readonly start: number; readonly end: number };
  readonly question: string | null;
  readonly tokens: number;
  readonly windows: number;
  readonly mapped: { readonly first_line: number; readonly last_line: number; readonly of: number };
  readonly baseline_bits: number | null;
  /** The most relevant first. */
  readonly lines: readonly {
    /** From 1. */
    readonly line: number;
    readonly text: string;
    readonly relevance: number;
    readonly strongest_at: number;
    readonly strongest: number;
    readonly surprisal_bits: number | null;
    readonly gain_bits: number | null;
  }[];
}

const maxTextLength = 160;

export async function mapJson(file: string, options: MapOptions): Promise<MapJson> {
  const { question, at, to = at + 1 } = options;
  const written = readText(file);
  const asked = question === undefined ? written : withQuestion(written, question);
  const selection =
    question === undefined ? { start: at, end: to } : { start: asked.length - question.length, end: asked.length };
  if (!(selection.start < selection.end && selection.end <= asked.length)) {
    throw new Failure('bad-usage', `There is no text from ${at} to ${to}: the file has ${written.length} characters.`);
  }
  const windows: MappedEvent[] = [];
  const engine = await loadEngine(options, (name, payload) => {
    if (name !== 'mapped') return;
    const event = payload as MappedEvent;
    windows.push(event);
    options.onProgress?.(event.done, event.total);
  });
  try {
    const { model } = engine;
    const { layer, head, stage } = chooseMap(engine, options);
    const heads =
      options.method === 'head'
        ? [{ layerIdx: layer, headIdx: head }]
        : chosenHeads(readHeads(options.heads, model), layer, model.nLayers, model.nHeads);
    const starts = lineStartsOf(written);
    let nTokens = 0;
    let [first, end] = [written.length, 0];
    for (const [from, until] of piecesAround(written, Math.min(selection.start, written.length))) {
      const piece = { textId: 1, start: from, firstLine: lineAt(starts, from), text: written.slice(from, until) };
      nTokens = engine.readMapText(piece).nTokens;
      [first, end] = [Math.min(first, from), Math.max(end, until)];
      if (nTokens >= maxMapTokens) break;
    }
    const maxTokens = Math.min(options.maxTokens ?? model.maxSeqlen, model.maxSeqlen);
    const probe =
      question === undefined
        ? probeAt(asked, selection)
        : { text: question, start: selection.start, selectionStart: 0 };
    const request = { mapId: 1, textId: 1, probe, stage, maxTokens, method: options.method, heads };
    const { baselineBits } = await engine.mapDocument(request);
    const lineText = (line: number) =>
      written
        .slice(starts[line], starts[line + 1])
        .trim()
        .slice(0, maxTextLength);
    return {
      ...{ format: 'mta-map-1', version: toolVersion, file: basename(file), model: model.name, method: options.method },
      ...{ heads: formatHeads(heads), max_tokens: maxTokens, selection, question: question ?? null },
      ...{ tokens: nTokens, windows: windows.length, baseline_bits: finite(baselineBits) },
      mapped: {
        first_line: lineAt(starts, first) + 1,
        last_line: lineAt(starts, Math.max(first, end - 1)) + 1,
        of: starts.length,
      },
      lines: windows
        .flatMap(window => linesOf(window, lineText))
        .sort((a, b) => b.relevance - a.relevance || a.line - b.line),
    };
  } finally {
    await engine.release();
  }
}

function linesOf({ rows, gainBits }: MappedEvent, textOf: (line: number) => string): MapJson['lines'][number][] {
  return Array.from(rows.lineIdxs, (lineIdx, i) => ({
    ...{ line: lineIdx + 1, text: textOf(lineIdx), relevance: rows.weights[i]!, strongest_at: rows.strongestAt[i]! },
    strongest: rows.strongestWeights[i]!,
    ...{ surprisal_bits: finite(rows.surprisalBits[i]!), gain_bits: finite(gainBits) },
  }));
}

/** A table for people: the most relevant lines. */
export function mapText(json: MapJson, nLines = 12): string {
  const { mapped, selection, baseline_bits: baseline } = json;
  const bits = (value: number | null) => (value === null ? '–' : value.toFixed(3));
  const head = [
    `${json.file}: ${json.model}, ${json.method} for characters ${selection.start} to ${selection.end - 1}`,
    `${json.tokens} tokens in ${json.windows} windows, lines ${mapped.first_line} to ${mapped.last_line} of ${mapped.of}; ` +
      `${bits(baseline)} bits per selected token without them`,
    ' line  relevance  gain in bits  surprisal',
  ];
  const rows = json.lines.slice(0, nLines).map(line => {
    const figures = [line.relevance.toFixed(4).padStart(9), bits(line.gain_bits).padStart(12)];
    return `${String(line.line).padStart(5)}  ${figures.join('  ')}  ${bits(line.surprisal_bits).padStart(9)}  ${line.text.slice(0, 70)}`;
  });
  return [...head, ...rows].join('\n');
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
