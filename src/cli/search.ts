/** `mta-inspect search`: how relevant each line of a file of any length is for a place in it or for a question. */

import { basename } from 'node:path';
import { byRelevance, lineAt, lineSpan, lineStartsOf } from '../attention/lines';
import { toolVersion } from '../export/source';
import type { Engine } from '../inference/engine';
import type { SearchedEvent } from '../inference/protocol';
import { maxSearchTokens, probeAt, type SearchMethod } from '../shared/documentSearch';
import { withQuestion } from '../shared/panel/question';
import { formatHeads, type RowKind } from '../shared/relevance';
import { piecesAround } from '../shared/tools/textPieces';
import { tokenAt, tokenOffsets } from '../tokenization/offsets';
import { chooseHeads, type HeadOptions } from './chooseHeads';
import { methodText } from './context';
import { checkNotBlank, checkOffset, type DocumentOptions, loadEngine, windowSize } from './document';
import { readDocument } from './readDocument';
import { oneLine } from './terminal';

export interface SearchOptions
  extends Omit<DocumentOptions, 'topK' | 'listen' | 'windowStart' | 'question'>,
    Omit<HeadOptions, 'method'> {
  /** Selected instead of a place in the file. */
  readonly question: string | undefined;
  /** UTF-16 offset where the selection ends, exclusive; absent: that of the token at `at`. */
  readonly to: number | undefined;
  readonly method: SearchMethod;
  readonly row: RowKind;
  readonly onProgress?: (done: number, total: number) => void;
}

/** The JSON of `search --json`; documented in schemas/search.schema.json. */
export interface SearchJson {
  readonly format: 'mta-search-1';
  readonly version: string;
  readonly file: string;
  readonly model: string;
  readonly method: string;
  readonly heads: string;
  /** What --method head is of, with the stage whose values are shown; null where it is of several heads. */
  readonly layer: number | null;
  readonly head: number | null;
  readonly stage: string | null;
  /** Rows whose weights are taken: those of the selected tokens themselves, or those that predict them. */
  readonly rows: RowKind;
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
    readonly relevance_mean: number;
    readonly strongest_at: number;
    readonly strongest: number;
    readonly surprisal_bits: number | null;
    /** Of the span of lines `gain_lines`, from 1, both included. */
    readonly gain_bits: number | null;
    readonly gain_lines: readonly [first: number, last: number];
  }[];
}

const maxTextLength = 160;

export async function searchJson(file: string, options: SearchOptions): Promise<SearchJson> {
  const { question } = options;
  const written = readDocument(file, options.encoding).text;
  if (question === undefined) checkNotBlank(file, written);
  const whole = question === undefined ? written : withQuestion(written, question);
  const asked =
    question === undefined
      ? selectedCharacters(written, options)
      : { start: whole.length - question.length, end: whole.length };
  const windows: SearchedEvent[] = [];
  const engine = await loadEngine(options, (name, payload) => {
    if (name !== 'searched') return;
    const event = payload as SearchedEvent;
    windows.push(event);
    options.onProgress?.(event.done, event.total);
  });
  try {
    const { model } = engine;
    const { heads, stage, named } = chooseHeads(engine, options);
    const selection = question === undefined ? wholeTokens(engine, written, asked) : asked;
    const starts = lineStartsOf(written);
    let nTokens = 0;
    let [first, end] = [written.length, 0];
    for (const [from, until] of piecesAround(written, Math.min(selection.start, written.length))) {
      const piece = { textId: 1, start: from, firstLine: lineAt(starts, from), text: written.slice(from, until) };
      nTokens = engine.readSearchText(piece).nTokens;
      [first, end] = [Math.min(first, from), Math.max(end, until)];
      if (nTokens >= maxSearchTokens) break;
    }
    const maxTokens = windowSize(engine, options.maxTokens);
    const probe =
      question === undefined
        ? probeAt(whole, selection)
        : { text: question, start: selection.start, selectionStart: 0 };
    const request = {
      searchId: 1,
      textId: 1,
      probe,
      stage,
      maxTokens,
      method: options.method,
      heads,
      rows: options.row,
    };
    const { baselineBits } = await engine.searchDocument(request);
    const mapped = lineSpan({ start: first, end }, offset => lineAt(starts, offset), written.length);
    const lineText = (line: number) =>
      written
        .slice(starts[line], starts[line + 1])
        .trim()
        .slice(0, maxTextLength);
    return {
      ...{
        format: 'mta-search-1',
        version: toolVersion,
        file: basename(file),
        model: model.name,
        method: options.method,
      },
      ...{
        heads: formatHeads(heads),
        ...named,
        rows: options.row,
        max_tokens: maxTokens,
        selection,
        question: question ?? null,
      },
      ...{ tokens: nTokens, windows: windows.length, baseline_bits: finite(baselineBits) },
      mapped: { first_line: mapped.first, last_line: mapped.last, of: mapped.of },
      lines: windows
        .flatMap(window => linesOf(window, lineText))
        .sort((a, b) => byRelevance(a, b) || a.line.line - b.line.line)
        .map(({ line }) => line),
    };
  } finally {
    await engine.release();
  }
}

/** The end of the file selects the last token, as everywhere. @throws Failure `bad-usage` for a place outside of the file */
function selectedCharacters(written: string, { at, to }: SearchOptions): { start: number; end: number } {
  checkOffset('--at', at, written);
  if (to !== undefined) checkOffset('--to', to, written);
  const start = Math.min(at, written.length - 1);
  return { start, end: to ?? start + 1 };
}

/** The tokens that hold the first and the last character, as every command selects them: a part of one is another token. */
function wholeTokens(
  engine: Engine,
  written: string,
  { start, end }: { readonly start: number; readonly end: number },
) {
  const tokenOf = (offset: number) => {
    const [from, until] = piecesAround(written, offset).next().value as [number, number];
    const text = written.slice(from, until);
    const offsets = tokenOffsets(text, engine.encode(text).byteLengths);
    const token = tokenAt(offsets, offset - from);
    return { start: from + offsets[token]!, end: from + offsets[token + 1]! };
  };
  return { start: tokenOf(start).start, end: tokenOf(end - 1).end };
}

function linesOf({ rows, gainBits }: SearchedEvent, textOf: (line: number) => string) {
  const spanLines = [rows.lineIdxs[0]! + 1, rows.lineIdxs.at(-1)! + 1] as const;
  return Array.from(rows.lineIdxs, (lineIdx, i) => {
    const nOwn = rows.nOwn[i]!;
    const [sum, strongest] = [rows.weights[i]!, rows.strongestWeights[i]!];
    const meanWeight = sum / Math.max(1, nOwn);
    const line: SearchJson['lines'][number] = {
      ...{ line: lineIdx + 1, text: textOf(lineIdx), relevance: sum, relevance_mean: meanWeight },
      ...{ strongest_at: rows.strongestAt[i]!, strongest, surprisal_bits: finite(rows.surprisalBits[i]!) },
      ...{ gain_bits: nOwn > 0 ? finite(gainBits) : null, gain_lines: spanLines },
    };
    return { line, meanWeight, isBlank: rows.isBlank[i] === 1 };
  });
}

/** A table for people: the most relevant lines. */
export function searchText(json: SearchJson, nLines = 12): string {
  const { mapped, selection, baseline_bits: baseline } = json;
  const bits = (value: number | null) => (value === null ? '–' : value.toFixed(3));
  const head = [
    `${oneLine(json.file)}: ${oneLine(json.model)}, ${methodText(json)}, rows ${json.rows === 'predicting' ? 'that predict' : 'of'} the selected ` +
      `characters ${selection.start} to ${selection.end - 1}${json.rows === 'predicting' ? '' : ' themselves'}`,
    `${json.tokens} tokens in ${json.windows} windows, lines ${mapped.first_line} to ${mapped.last_line} of ${mapped.of}; ` +
      `${bits(baseline)} bits per selected token without them`,
    ' line  relevance per token  in all  gain in bits of lines  surprisal',
  ];
  const rows = json.lines.slice(0, nLines).map(line => {
    const gain = `${bits(line.gain_bits)} of ${line.gain_lines.join('–')}`;
    const figures = [line.relevance_mean.toFixed(5).padStart(19), line.relevance.toFixed(4), gain.padStart(21)];
    return `${String(line.line).padStart(5)}  ${figures.join('  ')}  ${bits(line.surprisal_bits).padStart(9)}  ${oneLine(line.text.slice(0, 70))}`;
  });
  const note = "The gain is what a span of lines adds, as a whole, to the text before it (see the guide's Measures).";
  return [...head, ...rows, note].join('\n');
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
