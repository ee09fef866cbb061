/** The tables of docs/relevance.md. Heads and single heads are chosen on one split, everything is compared on the other. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bestHeads, retrievalScore } from '../../src/attention/retrievalHeads';
import { quantities } from '../../src/shared/relevance';
import { root } from '../fixtures/paths';
import {
  agreement,
  byTokens,
  type Cause,
  type Estimate,
  estimate,
  isStatedFirst,
  type LineBy,
  type Method,
  meanOf,
  strongestOf,
} from './compare';
import type { Measured } from './measure';
import { readQuestions } from './questions';
import type { Split } from './templates';

const page = join(root, 'docs', 'relevance.md');
/** Heads that are averaged, of the model's 56. */
const nRetrieval = 7;

export function report(measured: Readonly<Record<Split, readonly Measured[]>>, nHeads: number, writes: boolean): void {
  const chosen = chooseHeads(measured.choosing, nHeads);
  const tables = [
    ...(['mean', 'sum'] as const).flatMap(by => [
      `**Lines by the ${by === 'mean' ? 'mean' : 'sum'} of their tokens**`,
      '',
      ...table(measured.held, methodsOf(by, chosen, nHeads)),
      '',
    ]),
    '**Rows**: agreement with the knock-out at the predicting row, of relevance taken from either row (lines by the mean)',
    '',
    ...rowsTable(measured.held, methodsOf('mean', chosen, nHeads)),
    '',
    `Retrieval heads, the best first: ${chosen.retrieval.map(nameOf(nHeads)).join(', ')}. Best single head: ${nameOf(nHeads)(chosen.single)}. ` +
      `${numberText(measured.held.length)} of ${range(measured.held.map(({ nTokens }) => nTokens))} tokens and ` +
      `${range(measured.held.map(({ lines }) => lines.length))} lines; the line that states the answer is first by chance in ` +
      `${percent(measured.held.reduce((sum, { lines }) => sum + 1 / lines.length, 0) / measured.held.length)} %.`,
  ].join('\n');
  console.log(tables);
  if (!writes) return;
  const text = readFileSync(page, 'utf8');
  const marks = ['<!-- tables -->\n', '<!-- end of tables -->'] as const;
  const [start, end] = [text.indexOf(marks[0]) + marks[0].length, text.indexOf(marks[1])];
  if (end < start) throw new Error(`${page} lacks the marks of its tables`);
  writeFileSync(page, `${text.slice(0, start)}\n${tables}\n\n${text.slice(end)}`);
}

interface Chosen {
  /** The best first. */
  readonly retrieval: readonly number[];
  readonly single: number;
}

/** Heads by their scores as retrieval heads. */
function chooseHeads(measured: readonly Measured[], nHeads: number): Chosen {
  const all = measured[0]!.withoutQuestion.map((_, head) => head);
  const scored = all.map(head => {
    const scores = measured.map(({ lines, rows, withoutQuestion }) =>
      retrievalScore(
        { asked: rows.predicting.heads.weight[head]!, unasked: withoutQuestion[head]! },
        lines.find(({ isStated }) => isStated)!.tokens,
      ),
    );
    const score = scores.reduce((sum, value) => sum + value, 0) / scores.length;
    return { layerIdx: Math.floor(head / nHeads), headIdx: head % nHeads, score };
  });
  const retrieval = bestHeads(scored, nRetrieval).map(({ layerIdx, headIdx }) => layerIdx * nHeads + headIdx);
  return { retrieval, single: retrieval[0]! };
}

function methodsOf(by: LineBy, { retrieval, single }: Chosen, nHeads: number): Method[] {
  const all = (measured: Measured) => measured.rows.reading.heads.weight.map((_, head) => head);
  return [
    ...quantities.map(quantity =>
      byTokens(`mean of all heads, ${quantity}`, by, (rows, measured) => meanOf(all(measured), quantity)(rows)),
    ),
    ...quantities.map(quantity => byTokens(`strongest head, ${quantity}`, by, strongestOf(quantity))),
    byTokens('rollout', by, ({ rollout }) => rollout),
    ...quantities.map(quantity =>
      byTokens(`mean of ${retrieval.length} retrieval heads, ${quantity}`, by, meanOf(retrieval, quantity)),
    ),
    byTokens('best single head, weight', by, meanOf([single], 'weight')),
    byTokens('head L2H0 (the first shown), weight', by, meanOf([2 * nHeads], 'weight')),
    ofSingleHeads(by),
    byTokens('logit attribution of the tokens', by, ({ attribution }) => attribution),
    signedAttribution(by),
    { name: 'nearness of the line alone', scores: (_, __, lines) => lines.map(({ tokens }) => tokens.first) },
  ];
}

/** Attribution with its sign: what speaks against the token counts against the line. */
function signedAttribution(by: LineBy): Method {
  return {
    name: 'logit attribution, signed',
    scores: ({ rows }, row, lines) =>
      lines.map(({ tokens: { first, end } }) => {
        const sum = rows[row].attribution.subarray(first, end).reduce((total, value) => total + value, 0);
        return by === 'sum' ? sum : sum / (end - first);
      }),
  };
}

/** Stands for every single head in turn: its figures are the means over all of them. */
function ofSingleHeads(by: LineBy): Method & { readonly each: (measured: Measured) => readonly Method[] } {
  return {
    name: 'a single head, mean over all heads, weight',
    scores: () => [],
    each: measured => measured.rows.reading.heads.weight.map((_, head) => byTokens('', by, meanOf([head], 'weight'))),
  };
}

type Figure = (method: Method, measured: Measured) => number;

function figureOf(method: Method, measured: Measured, figure: Figure): number {
  if (!('each' in method)) return figure(method, measured);
  const each = (method as ReturnType<typeof ofSingleHeads>).each(measured);
  return mean(each.map(single => figure(single, measured)));
}

function table(held: readonly Measured[], methods: readonly Method[]): string[] {
  const columns: readonly (readonly [string, Figure])[] = [
    ...(['knockOut', 'occlusion'] as const).map(
      cause =>
        [
          `${names[cause]}, predicting`,
          (method: Method, question: Measured) => agreement(method, question, 'predicting', cause),
        ] as const,
    ),
    ...(['knockOut', 'occlusion'] as const).map(
      cause =>
        [
          `${names[cause]}, reading`,
          (method: Method, question: Measured) => agreement(method, question, 'reading', cause),
        ] as const,
    ),
    ['stated line first, predicting', (method, question) => isStatedFirst(method, question, 'predicting')],
    ['stated line first, reading', (method, question) => isStatedFirst(method, question, 'reading')],
  ];
  const baseline = columns.map(([, figure]) => held.map(question => figureOf(methods[0]!, question, figure)));
  const rows = methods.map(method => {
    const cells = columns.map(([name, figure], c) => {
      const values = held.map(question => figureOf(method, question, figure));
      const better = estimate(values.map((value, i) => value - baseline[c]![i]!));
      const isShare = name.startsWith('stated');
      return `${isShare ? share(estimate(values)) : rho(estimate(values))}${markOf(better)}`;
    });
    return `| ${[method.name, ...cells].join(' | ')} |`;
  });
  return [
    `| relevance | ${columns.map(([name]) => name).join(' | ')} |`,
    `| --- |${columns.map(() => ' --- |').join('')}`,
    ...rows,
  ];
}

function rowsTable(held: readonly Measured[], methods: readonly Method[]): string[] {
  const rows = methods
    .filter(method => !('each' in method))
    .map(method => {
      const of = (row: 'predicting' | 'reading') =>
        held.map(question => agreement(method, question, row, 'knockOut', 'predicting'));
      const [predicting, reading] = [of('predicting'), of('reading')];
      const difference = estimate(predicting.map((value, i) => value - reading[i]!));
      return `| ${method.name} | ${rho(estimate(predicting))} | ${rho(estimate(reading))} | ${rho(difference)} |`;
    });
  return ['| relevance | predicting row | reading row | difference |', '| --- | --- | --- | --- |', ...rows];
}

const names: Readonly<Record<Cause, string>> = { knockOut: 'knock-out', occlusion: 'occlusion' };

/** ↑ and ↓: the difference to the first method has an interval on one side of 0. */
function markOf({ interval: [low, high] }: Estimate): string {
  return low > 0 ? ' ↑' : high < 0 ? ' ↓' : '';
}

function rho({ mean: value, interval: [low, high] }: Estimate): string {
  return `${signed(value)} (${signed(low)} to ${signed(high)})`;
}

function share({ mean: value, interval: [low, high] }: Estimate): string {
  return `${percent(value)} % (${percent(low)} to ${percent(high)})`;
}

/** Says so where not all of them were measured. */
function numberText(n: number): string {
  const { length } = readQuestions('held');
  return n === length
    ? `${n} questions`
    : `Measured so far: ${n} of the ${length} questions (their order mixes all forms),`;
}

const signed = (value: number) => value.toFixed(2).replace('-', '−').replace('−0.00', '0.00');
const percent = (value: number) => String(Math.round(100 * value));
const nameOf = (nHeads: number) => (head: number) => `L${Math.floor(head / nHeads)}H${head % nHeads}`;
const mean = (values: readonly number[]) => {
  const known = values.filter(value => !Number.isNaN(value));
  return known.reduce((sum, value) => sum + value, 0) / known.length;
};
const range = (values: readonly number[]) => `${Math.min(...values)} to ${Math.max(...values)}`;
