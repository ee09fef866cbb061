/** `mta-inspect knockout`: how the prediction of a place changes when later tokens may not see others. */

import { lineAt, lineStartsOf } from '../attention/lines';
import type { Cuts } from '../inference/experiments/knockOutRuns';
import { toBits } from '../inference/run/predictions';
import type { Cut } from '../inference/runtime/knockOut';
import type { TokenRange } from '../shared/address';
import { chosenHeads, formatHeads, parseHeads, type RowKind } from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import { tokenAt } from '../tokenization/offsets';
import { type AnalyzedDocument, type DocumentJson, documentJson, documentRun } from './document';
import { quoted } from './logitLens';
import { selectedTokens, type TargetChoice, type TokenJson, tokenQuestion } from './targets';
import { oneLine } from './terminal';

/** What FROM:TO counts. */
export const rangeUnits = ['offsets', 'tokens', 'lines'] as const;
export type RangeUnit = (typeof rangeUnits)[number];

/** FROM:TO as given, TO exclusive. */
export interface GivenRange {
  readonly from: number;
  readonly to: number;
}

export interface KnockOutOptions {
  readonly at: number;
  readonly to: number | undefined;
  readonly row: RowKind;
  readonly target: TargetChoice;
  readonly keys: readonly GivenRange[];
  /** Rows that may not see them; absent: all after them. */
  readonly queries: readonly GivenRange[] | 'selected' | undefined;
  readonly unit: RangeUnit;
  /** Every range by itself; of lines, every line. */
  readonly isEach: boolean;
  /** As the command line has them: all unless given. */
  readonly layers: readonly GivenRange[] | undefined;
  readonly heads: string | undefined;
}

/** The JSON of `knockout --json`; documented in schemas/knockout.schema.json. */
export interface KnockOutJson extends DocumentJson {
  readonly format: 'mta-knockout-1';
  readonly rows: RowKind;
  readonly selection: { readonly first: number; readonly end: number };
  readonly targets: readonly TokenJson[];
  /** As layer.head, separated by ", ". */
  readonly heads: string;
  /** Of all targets together, as the model is. */
  readonly log_probability_bits: number;
  /** In the order given. */
  readonly knockouts: readonly KnockOutEffectJson[];
}

interface KnockOutEffectJson {
  readonly keys: readonly RangeJson[];
  readonly queries: readonly { readonly first: number; readonly end: number }[];
  readonly log_probability_bits: number;
  /** Below 0 where the target needs what was cut. */
  readonly change_bits: number;
  readonly kl_bits: number;
  readonly likeliest: TokenJson & { readonly probability: number };
}

interface RangeJson {
  /** Tokens of the window, the end exclusive. */
  readonly first: number;
  readonly end: number;
  /** From 1: the line of the first token. */
  readonly line: number;
  readonly text: string;
}

export async function knockOutJson(document: AnalyzedDocument, options: KnockOutOptions): Promise<KnockOutJson> {
  const { engine, tokens, text } = document;
  const { row, target, isEach } = options;
  const selection = selectedTokens(document, options.at, options.to);
  const { rows, targets } = tokenQuestion(document, selection, row, target);
  const starts = lineStartsOf(text);
  const heads = headsOf(document, options);
  const tokensOf = (range: GivenRange, option: string) => tokensOfRange(document, range, options.unit, option, starts);
  const lists = isEach
    ? parts(options, document, starts).map(range => [tokensOf(range, '--keys')])
    : [options.keys.map(range => tokensOf(range, '--keys'))];
  const queries = options.queries === 'selected' ? [rows] : options.queries?.map(range => tokensOf(range, '--queries'));
  const runner = await engine.experiments.knockOuts(documentRun, { ...rows, targets });
  const before = sum(runner.before.logProbabilities);
  const knockouts: KnockOutEffectJson[] = [];
  for (const keys of lists) {
    const edges = keys.flatMap(range => edgesOf(range, queries, rows.end));
    const without = await runner.without(cutsOf(edges, heads));
    const after = sum(without.logProbabilities);
    const last = targets.length - 1;
    knockouts.push({
      keys: keys.map(range => ({
        ...range,
        line: lineAt(starts, tokens.offsets[range.first]!) + 1,
        text: textOf(range),
      })),
      queries: edges.map(edge => edge.queries),
      log_probability_bits: toBits(after),
      change_bits: toBits(after - before),
      kl_bits: toBits(sum(without.divergence!)) / targets.length,
      likeliest: {
        id: without.topIds[last]!,
        text: engine.label(without.topIds[last]!),
        probability: Math.exp(without.topLogProbabilities[last]!),
      },
    });
  }
  function textOf({ first, end }: TokenRange): string {
    return text.slice(tokens.offsets[first], tokens.offsets[end]);
  }
  return {
    format: 'mta-knockout-1',
    ...documentJson(document),
    ...{ rows: row, selection },
    targets: targets.map(id => ({ id, text: engine.label(id) })),
    heads: formatHeads(heads),
    log_probability_bits: toBits(before),
    knockouts,
  };
}

type Heads = ReturnType<typeof chosenHeads>;
type Edges = Pick<Cut, 'queries' | 'keys'>;

/** @throws Failure `bad-usage` for layers or heads that the model lacks. */
function headsOf({ engine }: AnalyzedDocument, { layers, heads }: KnockOutOptions): Heads {
  const { nLayers, nHeads } = engine.model;
  if (layers) {
    const wrong = layers.find(({ to }) => to > nLayers);
    if (wrong) {
      throw new Failure(
        'bad-usage',
        `--layers has ${wrong.to - 1}, expected layers from 0 to ${nLayers - 1}, which is the last of the model.`,
      );
    }
    const isChosen = (layerIdx: number) => layers.some(({ from, to }) => layerIdx >= from && layerIdx < to);
    return chosenHeads('all', 0, nLayers, nHeads).filter(({ layerIdx }) => isChosen(layerIdx));
  }
  try {
    return chosenHeads(parseHeads(heads ?? 'all', nLayers, nHeads), 0, nLayers, nHeads);
  } catch (error) {
    throw new Failure('bad-usage', `--heads: ${(error as Error).message}.`);
  }
}

/** Cuts by layer. */
function cutsOf(edges: readonly Edges[], heads: Heads): Cuts {
  const byLayer = new Map<number, number[]>();
  for (const { layerIdx, headIdx } of heads) byLayer.set(layerIdx, [...(byLayer.get(layerIdx) ?? []), headIdx]);
  return new Map([...byLayer].map(([layerIdx, list]) => [layerIdx, edges.map(edge => ({ ...edge, heads: list }))]));
}

/** What each knock-out forbids: ranges by themselves, of lines every line that is not blank. */
function parts({ keys, unit }: KnockOutOptions, { text }: AnalyzedDocument, starts: readonly number[]) {
  if (unit !== 'lines') return keys;
  const lines = keys.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i));
  const isBlank = (line: number) => line <= starts.length && !/\S/.test(text.slice(starts[line - 1], starts[line]));
  return lines.filter(line => !isBlank(line)).map(line => ({ from: line, to: line + 1 }));
}

/** The tokens of a range. @throws Failure `bad-usage` where the window holds none of it. */
export function tokensOfRange(
  { tokens, window, text }: AnalyzedDocument,
  { from, to }: GivenRange,
  unit: RangeUnit,
  option: string,
  starts: readonly number[] = lineStartsOf(text),
): TokenRange {
  const outside = (expected: string) =>
    new Failure('bad-usage', `${option} has ${from}:${to}, expected ${unit} in the inspected window, ${expected}.`);
  if (unit === 'tokens') {
    if (to > tokens.ids.length) throw outside(`which has the tokens 0 to ${tokens.ids.length - 1}`);
    return { first: from, end: to };
  }
  const place = unit === 'offsets' ? { from, to } : { from: starts[from - 1] ?? -1, to: starts[to - 1] ?? text.length };
  if (
    place.from < window.start ||
    place.to > window.end ||
    place.from >= place.to ||
    (unit === 'lines' && to > starts.length + 1)
  ) {
    throw outside(
      unit === 'offsets'
        ? `${window.start} to ${window.end}`
        : `${lineAt(starts, window.start) + 1} to ${lineAt(starts, Math.max(window.start, window.end - 1)) + 1}, whole ones only`,
    );
  }
  return { first: tokenAt(tokens.offsets, place.from), end: tokenAt(tokens.offsets, place.to - 1) + 1 };
}

/** Rows after the keys, up to the last one that matters. @throws Failure `bad-usage` where there is none. */
function edgesOf(keys: TokenRange, queries: readonly TokenRange[] | undefined, end: number): Edges[] {
  const rows = (queries ?? [{ first: 0, end }])
    .map(range => ({ first: Math.max(range.first, keys.end), end: Math.min(range.end, end) }))
    .filter(({ first, end: last }) => first < last);
  if (rows.length > 0) return rows.map(range => ({ queries: range, keys }));
  throw new Failure(
    'bad-usage',
    `Nothing can be cut between the keys, tokens ${keys.first} to ${keys.end - 1}, and the rows that are asked about: queries come after their keys, and the last row that matters is ${end - 1}. Choose keys before the selected token.`,
  );
}

/** A table for people. */
export function knockOutText(json: KnockOutJson, nRows = 20): string {
  const { knockouts, targets, heads } = json;
  const target = targets.map(({ text }) => text).join('');
  const nHeads = heads.split(', ').length;
  const lines = [
    `${oneLine(json.file)}: ${json.tokens} tokens, ${oneLine(json.model.name)} on ${json.provider}`,
    `Target ${quoted(target)}: ${json.log_probability_bits.toFixed(3)} bits log2 probability; edges cut in ${nHeads} heads.`,
    'change of log2 probability, KL divergence, what may not be seen',
  ];
  const sorted = knockouts.toSorted((a, b) => a.change_bits - b.change_bits);
  for (const { keys, change_bits: change, kl_bits: kl } of sorted.slice(0, nRows)) {
    const what = keys.map(
      ({ line, text }) => `line ${line} ${quoted(text.length > 60 ? `${text.slice(0, 59)}…` : text)}`,
    );
    lines.push(`${signed(change).padStart(10)} bits  ${kl.toFixed(4).padStart(8)} bits  ${what.join(', ')}`);
  }
  if (sorted.length > nRows) lines.push(`${sorted.length - nRows} more (all of them with --json)`);
  return lines.join('\n');
}

function sum(values: Float32Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;
}
