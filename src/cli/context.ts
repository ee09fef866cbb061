/** `mta-inspect context`: the lines of a file that are relevant for a place in it or for a question, and their effect. */

import { lineAt, lineStartsOf, linesOfTokens, weightByLine } from '../attention/lines';
import { knockOutAgreement, occlusionAgreement } from '../attention/occlusionAgreement';
import { toolVersion } from '../export/source';
import type { OccludedEvent } from '../inference/protocol';
import type { TokenRange } from '../shared/address';
import { withQuestion } from '../shared/panel/question';
import {
  formatHeads,
  hiddenLine,
  type OcclusionMode,
  predictingRows,
  type Quantity,
  type RankAgreement,
  type RelevanceOptions,
  type RowKind,
  skippedLayers,
} from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import { chooseHeads, type HeadOptions } from './chooseHeads';
import { type AnalyzedDocument, analyzeFile, type DocumentOptions, documentRun } from './document';
import { readDocument } from './readDocument';
import { selectedTokens } from './targets';
import { oneLine } from './terminal';

export interface ContextOptions extends Omit<DocumentOptions, 'topK' | 'listen' | 'question'>, HeadOptions {
  /** UTF-16 offset where the selection ends, exclusive; absent: the token at `at` alone. */
  readonly to: number | undefined;
  /** Selected instead of a place in the file. */
  readonly question: string | undefined;
  readonly direction: RelevanceOptions['direction'];
  readonly occlude: OcclusionMode | undefined;
  /** Whether each earlier line is hidden from the predicting rows, and lines are ranked by what that does. */
  readonly isVerified: boolean;
  readonly row: RowKind;
  readonly quantity: Quantity;
}

/** The JSON of `context --json`; documented in schemas/context.schema.json. */
export interface ContextJson {
  readonly format: 'mta-context-1';
  readonly version: string;
  readonly file: string;
  readonly model: string;
  readonly method: string;
  readonly direction: string;
  /** Heads whose weights are taken, as layer.head, separated by ", ". */
  readonly heads: string;
  /** What --method head is of, with the stage whose values are shown; null where it is of several heads. */
  readonly layer: number | null;
  readonly head: number | null;
  readonly stage: string | null;
  /** Rows whose weights are taken: those of the selected tokens themselves, or those that predict them. */
  readonly rows: RowKind;
  /** What the weights are. */
  readonly quantity: Quantity;
  /** Layers that rollout passes without attention, since none of their heads is chosen; null for other methods. */
  readonly skipped_layers: readonly number[] | null;
  /** Selected tokens, the end exclusive. */
  readonly selection: { readonly first: number; readonly end: number };
  readonly question: string | null;
  /** Per token of the window. */
  readonly weights: readonly number[];
  readonly lines: readonly ContextLineJson[];
  readonly occlusion: OcclusionJson | null;
  /** Of a verified answer. */
  readonly knockout: KnockOutAgreementJson | null;
}

interface KnockOutAgreementJson {
  /** Of the selection with everything in sight. */
  readonly surprisal_bits: number;
  /** Over the hidden lines, with the bits lost. */
  readonly rank_correlation: RankCorrelationJson;
}

interface ContextLineJson {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** Sum of its tokens' magnitudes, and their mean; lines are in the order of the mean, blank ones last. */
  readonly relevance: number;
  readonly relevance_mean: number;
  /** Bits per selected token that are lost where the predicting rows may not see the line; only with --verify. */
  readonly lost_bits?: number;
  /** The same of the rows that predict the selected tokens; only with --occlude or --verify. */
  readonly predicting_relevance?: number;
  readonly predicting_relevance_mean?: number;
  /** Bits per selected token that occluding the line adds, and the divergence of the predictions; only with --occlude. */
  readonly surprisal_bits?: number | null;
  readonly divergence_bits?: number;
}

interface OcclusionJson {
  readonly mode: OcclusionMode;
  readonly neutral_token: string | null;
  readonly surprisal_bits: number | null;
  readonly rank_correlation: {
    readonly divergence: RankCorrelationJson;
    readonly surprisal: RankCorrelationJson;
    readonly surprisal_size: RankCorrelationJson;
  };
}

interface RankCorrelationJson {
  readonly relevance: number | null;
  readonly relevance_mean: number | null;
  readonly nearness: number | null;
}

export async function contextJson(file: string, options: ContextOptions): Promise<ContextJson> {
  const written = readDocument(file, options.encoding).text;
  const { question } = options;
  const effects: OccludedEvent[] = [];
  const document = await analyzeFile(file, {
    ...{
      model: options.model,
      provider: options.provider,
      remote: options.remote,
      encoding: options.encoding,
      maxTokens: options.maxTokens,
      windowStart: options.windowStart,
      topK: 1,
    },
    at: question === undefined ? options.at : withQuestion(written, question).length,
    ...(question === undefined ? {} : { question }),
    listen: (name, payload) => {
      if (name === 'occluded') effects.push(payload as OccludedEvent);
    },
  });
  const { engine, tokens } = document;
  const textEnd = Math.min(document.window.end, written.length);
  const range =
    question === undefined ? selectedTokens(document, options.at, options.to) : rangeOfQuestion(document, textEnd);
  const { model } = engine;
  const { method, direction } = options;
  const { heads, stage, named } = chooseHeads(engine, options);
  const { quantity, row } = options;
  const measure = (rows: TokenRange) =>
    engine.details.relevance({ analysisId: documentRun, range: rows, direction, method, heads, stage, quantity });
  const predicting = predictingRows(range);
  const weights = await measure(row === 'predicting' ? (predicting ?? noPredictingRow()) : range);
  const starts = lineStartsOf(written);
  const lineOfToken = linesOfTokens(tokens.offsets, offset => lineAt(starts, offset), textEnd);
  const textOf = (line: number) => written.slice(starts[line], starts[line + 1]).trim();
  const lines = weightByLine(weights, lineOfToken, range, textOf);
  const json: ContextJson = {
    ...{ format: 'mta-context-1', version: toolVersion, file: document.name, model: model.name, method, direction },
    ...{ heads: formatHeads(heads), ...named, rows: row, quantity, selection: range, question: question ?? null },
    skipped_layers: method === 'rollout' ? skippedLayers(heads, model.nLayers) : null,
    weights: [...weights],
    lines: lines.map(({ lineIdx, weight, meanWeight }) => ({
      ...{ line: lineIdx + 1, text: textOf(lineIdx), relevance: weight, relevance_mean: meanWeight },
    })),
    ...{ occlusion: null, knockout: null },
  };
  if (!options.occlude) return json;
  const reading = row === 'reading' ? lines : weightByLine(await measure(range), lineOfToken, range, textOf);
  const predictingLines = predicting ? weightByLine(await measure(predicting), lineOfToken, range, textOf) : [];
  const both = { lines: reading, predicting: predictingLines };
  const checked = await occluded(json, document, range, both, options.occlude, effects);
  return options.isVerified ? verified(checked, document, range, both) : checked;
}

/** Lines as weights are summed by. */
type Lines = Readonly<Record<'lines' | 'predicting', ReturnType<typeof weightByLine>>>;

/** Hides each earlier line from the rows that predict the selection, and ranks lines by what that costs. */
async function verified(
  json: ContextJson,
  { engine }: AnalyzedDocument,
  selection: TokenRange,
  { lines, predicting }: Lines,
): Promise<ContextJson> {
  const hidden = lines.flatMap(line => {
    const edges = hiddenLine(line.tokens, selection);
    return edges ? [{ line, ...edges }] : [];
  });
  const rows = hidden[0]?.rows;
  if (!rows) return json;
  const cuts = hidden.map(({ keys }) => ({ keys }));
  const found = await engine.knockOuts({ analysisId: documentRun, rows, target: 'actual', cuts });
  const nRows = rows.end - rows.first;
  const predictingOf = new Map(predicting.map(line => [line.lineIdx, line]));
  const lost = hidden.map(({ line: { lineIdx } }, i) => ({
    ...{ lineIdx, lostBits: -found.effects[i]!.changeBits / nRows, predicting: predictingOf.get(lineIdx) ?? null },
  }));
  const lostOf = new Map(lost.map(({ lineIdx, lostBits }) => [lineIdx + 1, lostBits]));
  const ranked = json.lines.map(line => {
    const bits = lostOf.get(line.line);
    return bits === undefined ? line : { ...line, lost_bits: bits };
  });
  return {
    ...json,
    lines: ranked.toSorted((a, b) => (b.lost_bits ?? -Infinity) - (a.lost_bits ?? -Infinity) || 0),
    knockout: {
      surprisal_bits: found.surprisalBits.reduce((sum, bits) => sum + bits, 0) / nRows,
      rank_correlation: correlationJson(knockOutAgreement(lost)),
    },
  };
}

/** Adds what occluding each earlier line does. */
async function occluded(
  json: ContextJson,
  { engine }: AnalyzedDocument,
  target: TokenRange,
  { lines, predicting }: Lines,
  mode: OcclusionMode,
  effects: readonly OccludedEvent[],
): Promise<ContextJson> {
  const earlier = lines.filter(({ tokens }) => tokens.first < target.first);
  const spans = earlier.map(({ tokens }) => ({ first: tokens.first, end: Math.min(tokens.end, target.first) }));
  const baseline = await engine.occlude({ analysisId: documentRun, occlusionId: 1, target, spans, mode });
  const predictingOf = new Map(predicting.map(line => [line.lineIdx, line]));
  const done = effects.map(({ spanIdx, effect }) => {
    const line = earlier[spanIdx]!;
    return { ...line, predicting: predictingOf.get(line.lineIdx) ?? null, effect };
  });
  const byLine = new Map(done.map(line => [line.lineIdx + 1, line]));
  const agreement = occlusionAgreement(done);
  return {
    ...json,
    lines: json.lines.map(line => {
      const found = byLine.get(line.line);
      if (!found) return line;
      const { effect, predicting: other } = found;
      return {
        ...line,
        ...(other ? { predicting_relevance: other.weight, predicting_relevance_mean: other.meanWeight } : {}),
        ...{ surprisal_bits: finite(effect.surprisalBits), divergence_bits: effect.divergenceBits },
      };
    }),
    occlusion: {
      mode,
      neutral_token: baseline.neutralLabel,
      surprisal_bits: finite(baseline.surprisalBits),
      rank_correlation: {
        divergence: correlationJson(agreement.divergence),
        surprisal: correlationJson(agreement.surprisal),
        surprisal_size: correlationJson(agreement.surprisalSize),
      },
    },
  };
}

function correlationJson({ relevance, relevanceMean, nearness }: RankAgreement): RankCorrelationJson {
  return { relevance: finite(relevance), relevance_mean: finite(relevanceMean), nearness: finite(nearness) };
}

/** A table for people: the most relevant lines. */
export function contextText(json: ContextJson, nLines = 12): string {
  const { selection, occlusion } = json;
  const head =
    `${oneLine(json.file)}: ${oneLine(json.model)}, ${methodText(json)}, ${quantityTexts[json.quantity]}, ${json.direction}, ` +
    `${json.rows} rows of the selected tokens ${selection.first} to ${selection.end - 1}`;
  const rows = json.lines.slice(0, nLines).map(line => {
    const effect =
      line.divergence_bits === undefined
        ? ''
        : `  ${(line.surprisal_bits ?? Number.NaN).toFixed(3).padStart(8)} bits  KL ${line.divergence_bits.toFixed(3)}`;
    const lost = json.knockout ? `  ${(line.lost_bits?.toFixed(3) ?? '').padStart(8)}` : '';
    const relevance = `${line.relevance_mean.toFixed(5)}  ${line.relevance.toFixed(4)}`;
    return `${String(line.line).padStart(5)}  ${relevance}${lost}${effect}  ${oneLine(line.text.slice(0, 80))}`;
  });
  const rho = (value: number | null) => (value === null ? 'none' : value.toFixed(2)).padStart(9);
  const rank = (what: string, { relevance_mean, relevance, nearness }: RankCorrelationJson) =>
    `${what.padEnd(46)}  ${[relevance_mean, relevance, nearness].map(rho).join('  ')}`;
  const ranks = occlusion
    ? [
        `${'rank correlation (Spearman)'.padEnd(46)}  per token     in all   nearness`,
        rank('with the divergence of the predictions (KL)', occlusion.rank_correlation.divergence),
        rank('with the signed change of surprisal', occlusion.rank_correlation.surprisal),
        rank('with the absolute change of surprisal', occlusion.rank_correlation.surprisal_size),
        ...(json.knockout
          ? [rank('with the bits lost by hiding a line (knock-out)', json.knockout.rank_correlation)]
          : []),
        'KL against relevance of the selected rows, surprisal and bits lost against that of the rows before them, which predict them.',
      ]
    : [];
  const skipped = json.skipped_layers?.length
    ? [`rollout skips layers ${json.skipped_layers.join(', ')}, of which no head is chosen`]
    : [];
  const verifiedTitle = json.knockout ? ', bits lost by hiding it from the predicting rows, by occluding it' : '';
  const titles = ` line  relevance per token, in all${verifiedTitle}`;
  return [head, ...skipped, titles, ...rows, ...ranks].join('\n');
}

/** Quantities in words. */
export const quantityTexts: Readonly<Record<Quantity, string>> = {
  weight: 'weights',
  norm: 'norm-based weights',
  contribution: 'contributions to the output of the head',
};

function noPredictingRow(): never {
  throw new Failure(
    'bad-usage',
    'Nothing predicts the first token of the window: the model has no begin token. Select a later token, or --row reading.',
  );
}

function rangeOfQuestion({ tokens }: AnalyzedDocument, textEnd: number): TokenRange {
  const first = tokens.offsets.findIndex(offset => offset >= textEnd);
  if (first < 0 || first >= tokens.ids.length) {
    throw new Failure('bad-usage', 'The window does not reach the question: leave --window-start out.');
  }
  return { first, end: tokens.ids.length };
}

/** Method and heads of an answer, in words. */
export function methodText(json: Pick<ContextJson, 'method' | 'heads' | 'layer' | 'head' | 'stage'>): string {
  const { method, heads, layer, head, stage } = json;
  if (method === 'head') return `head L${layer}H${head}, ${stage}`;
  const nHeads = heads.split(', ').length;
  const which = layer === null ? (nHeads > 8 ? `${nHeads} heads` : `heads ${heads}`) : `the heads of layer ${layer}`;
  return `${method} over ${which}`;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
