/** Input and answer of the assistants' tool. Its readers are language models: plain English, numbers named. Pure. */

import type { Analysis, CellAddress, CellSplit, LogitAttribution } from '../../api/mtaInspector';
import { linesOfTokens, strongestTokens, weightByLine } from '../attention/lines';
import type { HeadRef, TokenRange } from '../shared/address';
import { formatNumber } from '../shared/labels';
import { isApplicable } from '../shared/relevance';

export interface AttentionQuestion {
  /** Path in the workspace, absolute path or URI; default: the active editor. */
  readonly file?: string;
  /** Of a notebook, from 1. */
  readonly cell?: number;
  /** From 1; default: where the cursor is. */
  readonly line?: number;
  /** Text on the line; default: all of it. */
  readonly word?: string;
  /** One head instead of all. */
  readonly head?: HeadRef;
  /** Those that find context: chosen by the user, or by the words that the text repeats. */
  readonly heads: 'all' | 'retrieval';
  readonly method: 'mean' | 'max' | 'rollout';
  readonly maxLines: number;
  /** Also what the logit of the first token of the place is made of. */
  readonly explain: boolean;
  /** With `explain`: the head whose strongest cell is split over kernel taps and source heads. */
  readonly splitHead?: HeadRef;
  /** Also what the stream after each layer predicts there. */
  readonly lens: boolean;
  /** Also what the prediction is without each of the lines attended to most. */
  readonly knockOut: boolean;
  /** Also which heads carry the difference that replacing this text before the place makes; `by` comes with it. */
  readonly replace?: string;
  readonly by?: string;
  /** Also so many tokens that the model writes after the place. */
  readonly continueTokens?: number;
}

const maxContinued = 200;

/** @throws TypeError naming the field that is wrong: a language model can correct it. */
export function checkQuestion(input: unknown): AttentionQuestion {
  const {
    file,
    cell,
    line,
    word,
    head,
    heads = 'all',
    method = 'mean',
    maxLines = 8,
    explain = false,
    splitHead,
    lens = false,
    knockOut = false,
    replace,
    by,
    continueTokens,
  } = (input ?? {}) as Record<string, unknown>;
  for (const [name, value] of Object.entries({ file, word, replace, by })) {
    if (value !== undefined && (typeof value !== 'string' || value === ''))
      throw new TypeError(`"${name}" must be text.`);
  }
  for (const [name, value] of Object.entries({ cell, line, maxLines, continueTokens })) {
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || (value as number) < 1) {
      throw new TypeError(`"${name}" must be a whole number from 1, and is ${JSON.stringify(value)}.`);
    }
  }
  if (method !== 'mean' && method !== 'max' && method !== 'rollout') {
    throw new TypeError(`"method" must be mean, max or rollout, and is ${JSON.stringify(method)}.`);
  }
  if (heads !== 'all' && heads !== 'retrieval') {
    throw new TypeError(`"heads" must be all or retrieval, and is ${JSON.stringify(heads)}.`);
  }
  if (heads === 'retrieval' && head !== undefined) {
    throw new TypeError('"head" and "heads": "retrieval" name the heads twice: give one of them.');
  }
  for (const [name, value] of Object.entries({ explain, lens, knockOut })) {
    if (typeof value === 'boolean') continue;
    throw new TypeError(`"${name}" must be true or false, and is ${JSON.stringify(value)}.`);
  }
  if (splitHead !== undefined && explain !== true) throw new TypeError('"splitHead" needs "explain": true.');
  if ((replace === undefined) !== (by === undefined)) throw new TypeError('"replace" and "by" need each other.');
  if (replace !== undefined && replace === by) throw new TypeError('"replace" and "by" must be different texts.');
  return {
    ...(file === undefined ? {} : { file: file as string }),
    ...(cell === undefined ? {} : { cell: cell as number }),
    ...(line === undefined ? {} : { line: line as number }),
    ...(word === undefined ? {} : { word: word as string }),
    ...(head === undefined ? {} : { head: checkHead('head', head) }),
    ...(splitHead === undefined ? {} : { splitHead: checkHead('splitHead', splitHead) }),
    ...(replace === undefined ? {} : { replace: replace as string, by: by as string }),
    ...(continueTokens === undefined ? {} : { continueTokens: Math.min(continueTokens as number, maxContinued) }),
    ...{ heads, method, maxLines: Math.min(maxLines as number, 50), explain: explain as boolean },
    ...{ lens: lens as boolean, knockOut: knockOut as boolean },
  };
}

function checkHead(name: string, head: unknown): HeadRef {
  const [, layerIdx, headIdx] = (typeof head === 'string' && /^(\d{1,4})\.(\d{1,4})$/.exec(head)) || [];
  if (layerIdx !== undefined) return { layerIdx: Number(layerIdx), headIdx: Number(headIdx) };
  throw new TypeError(`"${name}" must be LAYER.HEAD such as "2.0", counted from 0, and is ${JSON.stringify(head)}.`);
}

/** Heads that find context, for a question about them. */
export interface FoundHeads {
  readonly heads: readonly HeadRef[];
  /** Who or what chose them. */
  readonly chosenBy: 'user' | 'repeated words';
}

export interface Answered {
  readonly analysis: Pick<Analysis, 'model' | 'tokens' | 'window' | 'surprisalBits'>;
  readonly question: AttentionQuestion;
  /** What a person calls the document. */
  readonly label: string;
  /** The document's lines. */
  readonly lines: readonly string[];
  /** The text the question is about. */
  readonly range: TokenRange;
  /** One per token. */
  readonly weights: Float32Array;
  /** Whose weights they are; null for all heads, or the one of the question. */
  readonly found: FoundHeads | null;
  readonly lineOf: (offset: number) => number;
}

/** Lines with weight, most first. */
export function linesByWeight({
  analysis,
  lines,
  range,
  weights,
  lineOf,
}: Omit<Answered, 'question' | 'label' | 'found'>) {
  const lineOfToken = linesOfTokens(offsetsOf(analysis), lineOf, analysis.window.end);
  return weightByLine(weights, lineOfToken, range, line => lines[line] ?? '').filter(({ weight }) => weight > 0);
}

function offsetsOf({ tokens, window }: Answered['analysis']): Uint32Array {
  return Uint32Array.from([...tokens.map(({ start }) => start), window.end]);
}

export function writeAnswer(answered: Answered): string {
  const { analysis, question, label, lines, range, weights, lineOf } = answered;
  const { model, tokens, window, surprisalBits } = analysis;
  const lineOfToken = linesOfTokens(offsetsOf(analysis), lineOf, window.end);
  const byLine = linesByWeight(answered);
  const isCandidate = (token: number) =>
    isApplicable('attends', range, token) && (token < range.first || token >= range.end) && lineOfToken[token]! >= 0;
  const strongest = strongestTokens(weights, question.maxLines, isCandidate);
  const selected = tokens.slice(range.first, range.end);
  const text = selected.map(token => token.label).join('');
  const bits = [...(surprisalBits ?? []).slice(range.first, range.end)].filter(value => !Number.isNaN(value));
  const isWhole = window.start === 0 && window.end >= window.documentLength;
  return [
    `Model: ${model.name}, ${(model.nParameters / 1e6).toFixed(0)} million parameters, ${model.nLayers} layers of ` +
      `${model.nHeads} heads. This is the attention of that model, not of the assistant that reads this.`,
    `Text: ${label}, lines ${lineOf(window.start) + 1} to ${lineOf(window.end) + 1}, ${tokens.length} tokens` +
      `${isWhole ? '' : '; the rest of the document was left out of the window'}.`,
    `Asked about: ${JSON.stringify(text)} in line ${lineOf(selected[0]!.start) + 1}, ${selected.length} token${selected.length === 1 ? '' : 's'}.`,
    ...(bits.length > 0
      ? [`Surprisal: ${(bits.reduce((sum, value) => sum + value, 0) / bits.length).toFixed(2)} bits per token.`]
      : []),
    `Weights: ${howMeasured(question, answered.found)}. They are unitless, may be negative, and are not probabilities.`,
    '',
    byLine.length === 0
      ? 'No other line has any weight.'
      : 'Lines it attends to most, by the mean magnitude of their tokens:',
    ...byLine
      .slice(0, question.maxLines)
      .map(
        ({ lineIdx, meanWeight }) =>
          `- line ${lineIdx + 1}, ${meanWeight.toPrecision(3)}: ${excerpt(lines[lineIdx] ?? '')}`,
      ),
    ...(strongest.length > 0 ? ['', 'Tokens it attends to most:'] : []),
    ...strongest.map(({ tokenIdx, weight }) => {
      const token = tokens[tokenIdx]!;
      return `- ${JSON.stringify(token.label)} in line ${lineOfToken[tokenIdx]! + 1}, ${formatNumber(weight)}`;
    }),
  ].join('\n');
}

/**
 * What predicted a token, for a language model to read.
 * @param heads how many a layer has.
 */
export function writeExplanation(
  found: LogitAttribution,
  tokens: Analysis['tokens'],
  heads: number,
  lineOf: (offset: number) => number,
  maxTokens: number,
): string {
  const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);
  const largest = (values: Float64Array) =>
    Array.from(values, (value, i) => ({ value, i }))
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
      .slice(0, maxTokens);
  return [
    '',
    '',
    `What predicted the token ${JSON.stringify(found.target.text)}: its logit above the mean of all is ` +
      `${formatNumber(found.logit)}, the sum of embedding ${formatNumber(found.embedding)}, heads ` +
      `${formatNumber(sum(found.heads))}, MLPs ${formatNumber(sum(found.mlps))}, biases ${formatNumber(found.other)} and ` +
      `remainder ${formatNumber(found.remainder)}. ` +
      'Parts are what was added to this logit directly, not what the model would do without them.',
    'Earlier tokens that added most through the heads:',
    ...largest(found.tokens).map(({ value, i }) => {
      const token = tokens[i]!;
      return `- ${JSON.stringify(token.label)} in line ${lineOf(token.start) + 1}, ${formatNumber(value)}`;
    }),
    'Heads that added most:',
    ...largest(found.heads).map(
      ({ value, i }) => `- layer ${Math.floor(i / heads)}, head ${i % heads}: ${formatNumber(value)}`,
    ),
  ].join('\n');
}

/** The cell of a head that added most to the logit, in either direction. @throws TypeError for a head that is not there. */
export function strongestCell(
  { cells, row }: Pick<LogitAttribution, 'cells' | 'row'>,
  { layerIdx, headIdx }: HeadRef,
  { nLayers, nHeads }: { readonly nLayers: number; readonly nHeads: number },
): CellAddress {
  if (layerIdx >= nLayers || headIdx >= nHeads) {
    throw new TypeError(
      `"splitHead" is ${layerIdx}.${headIdx}, and the model has layers 0 to ${nLayers - 1} of heads 0 to ${nHeads - 1}.`,
    );
  }
  const start = (layerIdx * nHeads + headIdx) * (row + 1);
  const ofHead = [...cells.subarray(start, start + row + 1)].map(Math.abs);
  return { layerIdx, headIdx, keyIdx: ofHead.reduce((best, size, key) => (size > ofHead[best]! ? key : best), 0) };
}

/** What a cell is made of, for a language model to read. */
export function writeSplit(
  { layerIdx, headIdx, keyIdx, contribution, parts }: CellSplit,
  tokens: Analysis['tokens'],
  lineOf: (offset: number) => number,
  maxParts: number,
): string {
  const nameOf = (token: number) =>
    `${JSON.stringify(tokens[token]!.label)} in line ${lineOf(tokens[token]!.start) + 1}`;
  const largest = parts.toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution)).slice(0, maxParts);
  return [
    '',
    '',
    `Layer ${layerIdx}, head ${headIdx} added most through its cell of ${nameOf(keyIdx)}: ${formatNumber(contribution)}. ` +
      `Convolution and head mixing make that cell of ${parts.length} cells of the softmax's output; the largest parts:`,
    ...largest.map(
      part =>
        `- head ${part.headIdx}, from ${nameOf(part.queryIdx)} to ${nameOf(part.keyIdx)}: weight ` +
        `${formatNumber(part.weight)} times attention ${formatNumber(part.pattern)}, ${formatNumber(part.contribution)}`,
    ),
  ].join('\n');
}

function howMeasured({ head, method }: AttentionQuestion, found: FoundHeads | null): string {
  const which = found ? namesOf(found) : head ? `layer ${head.layerIdx}, head ${head.headIdx}` : 'all heads';
  switch (method) {
    case 'rollout':
      return `attention rollout over ${which}`;
    case 'max':
      return `the weight of largest magnitude among ${which}, of those that multiply the values`;
    case 'mean':
      return `the mean over ${which} of the weights that multiply the values`;
  }
}

function namesOf({ heads, chosenBy }: FoundHeads): string {
  const names = heads.map(({ layerIdx, headIdx }) => `layer ${layerIdx}, head ${headIdx}`).join('; ');
  return `the heads that find context (${names}; chosen by ${chosenBy === 'user' ? 'the user' : 'the words that the text repeats'})`;
}

function excerpt(line: string): string {
  const trimmed = line.trim();
  return trimmed.length > 160 ? `${trimmed.slice(0, 160)}…` : trimmed;
}
