/** Answers of the assistants' tool about experiments, for a language model to read: plain English, numbers named. Pure. */

import type { Analysis, Continuation, KnockOuts, LogitLens, PatchedParts } from '../../api/mtaInspector';
import { formatBitsPlainly, formatNumber } from '../shared/labels';

/** What the stream after each layer predicts at the first of some rows. */
export function writeLens({ rows, targets, layers, labels, k }: LogitLens): string {
  const line = (layer: LogitLens['layers'][number], layerIdx: number) => {
    const top = Array.from(layer.topIds.subarray(0, Math.min(3, k)), id => JSON.stringify(labels[id]));
    const probability = formatNumber(2 ** -layer.surprisalBits[0]!);
    return `- after layer ${layerIdx}: probability ${probability}, rank ${layer.ranks[0]}; likeliest ${top.join(', ')}`;
  };
  return [
    '',
    '',
    `Logit lens for the token ${JSON.stringify(targets[0]!.text)}, read from row ${rows.first}, which predicts it. ` +
      'It only correlates: later layers need not read a stream that way.',
    ...layers.map(line),
  ].join('\n');
}

/** A line that was knocked out. */
export interface CutLine {
  readonly lineIdx: number;
  readonly text: string;
}

/** Lines by what forbidding them does. @param lines one for each effect. */
export function writeKnockOuts({ targets, effects }: KnockOuts, lines: readonly CutLine[], maxLines: number): string {
  const target = JSON.stringify(targets.map(({ text }) => text).join(''));
  const ranked = lines
    .map((line, i) => ({ ...line, change: effects[i]!.changeBits }))
    .sort((a, b) => a.change - b.change)
    .slice(0, maxLines);
  return [
    '',
    '',
    `What the prediction of ${target} needs: the change of its log2 probability, in bits, when no later token may see a ` +
      `line. Below 0 the prediction needs the line. Tried were the ${lines.length} lines that it attends to most.`,
    ...ranked.map(
      ({ lineIdx, text, change }) =>
        `- line ${lineIdx + 1}, ${formatBitsPlainly(change)} bits: ${text.length > 160 ? `${text.slice(0, 160)}…` : text}`,
    ),
  ].join('\n');
}

/** What was replaced by what. */
export interface Replacement {
  readonly replace: string;
  readonly by: string;
}

/** Heads by how much of the difference between two texts each carries. */
export function writePatch(
  { target, minus, other, original, patched, isChanged }: PatchedParts,
  { replace, by }: Replacement,
  maxHeads: number,
): string {
  const begin =
    `With ${JSON.stringify(by)} in place of ${JSON.stringify(replace)}, the logit of ` +
    `${JSON.stringify(target.text)} minus that of ${JSON.stringify(minus?.text ?? '')} is ${formatNumber(original)}; ` +
    `as the text is, ${formatNumber(other!)}.`;
  const span = other! - original;
  if (Math.abs(span) < 1e-5) return `\n\n${begin} The replacement makes no difference to this prediction.`;
  const heads = patched
    .flatMap((layer, layerIdx) =>
      layer.map((value, headIdx) => ({ layerIdx, headIdx, score: (value - original) / span })),
    )
    .filter(({ layerIdx, headIdx }) => isChanged[layerIdx]![headIdx])
    .sort((a, b) => Math.abs(b.score) - Math.abs(a.score))
    .slice(0, maxHeads);
  return [
    '',
    '',
    `${begin} Heads that carry the difference: each head's output of the text as it is, put into the run of the other ` +
      'text; 1 restores the difference whole, 0 nothing of it.',
    ...heads.map(({ layerIdx, headIdx, score }) => `- layer ${layerIdx}, head ${headIdx}: ${formatNumber(score)}`),
  ].join('\n');
}

/** What the model writes after the place. */
export function writeContinuation({ text, tokens }: Continuation): string {
  const next = (tokens[0]?.top ?? []).map(token => `${JSON.stringify(token.text)} ${formatNumber(token.probability)}`);
  return [
    '',
    '',
    `What the model writes after the place, the likeliest token each time: ${JSON.stringify(text)}.`,
    `Next tokens with probabilities: ${next.join(', ')}.`,
  ].join('\n');
}

/** The tokens of each line that end before a place, for the lines given. @param lineOf of an offset. */
export function tokensOfLines(
  tokens: Analysis['tokens'],
  lineIdxs: readonly number[],
  before: number,
  lineOf: (offset: number) => number,
): { readonly lineIdx: number; readonly keys: { readonly first: number; readonly end: number } }[] {
  const spans = new Map<number, { first: number; end: number }>();
  for (const [i, { start, end }] of tokens.slice(0, before).entries()) {
    if (start === end) continue;
    const lineIdx = lineOf(start);
    const span = spans.get(lineIdx);
    if (span) span.end = i + 1;
    else spans.set(lineIdx, { first: i, end: i + 1 });
  }
  return lineIdxs.flatMap(lineIdx => {
    const keys = spans.get(lineIdx);
    return keys ? [{ lineIdx, keys }] : [];
  });
}
