/** `mta-inspect choose-heads`: heads that find context, chosen by examples and saved for --heads-file. */

import { basename } from 'node:path';
import * as v from 'valibot';
import { bestHeads } from '../attention/retrievalHeads';
import { toolVersion } from '../export/source';
import type { Engine } from '../inference/engine';
import type { HeadRef } from '../shared/address';
import { type RetrievalExample, repeatedWords } from '../shared/retrievalHeads';
import { Failure, shown } from '../shared/tools/failure';
import { whole } from '../shared/tools/schema';
import { type EngineChoice, loadEngine } from './document';
import { readBytes, readDocument } from './readDocument';
import { oneLine } from './terminal';

/** The JSON of `choose-heads --json`, which --heads-file reads; documented in schemas/choose-heads.schema.json. */
export interface ChosenHeadsJson {
  readonly format: typeof headsFormat;
  readonly version: string;
  readonly model: string;
  readonly file: string;
  /** Where the examples come from. */
  readonly source: 'labels' | 'repeated words';
  readonly examples: number;
  /** The chosen ones, the best first. */
  readonly heads: readonly ScoredHeadJson[];
  /** All of the model, in the order of layers. */
  readonly scores: readonly ScoredHeadJson[];
}

interface ScoredHeadJson {
  readonly layer: number;
  readonly head: number;
  /** Mean attention of the predicting rows on the gold passage, less that of "N/A" in place of the query. */
  readonly score: number;
}

const headsFormat = 'mta-retrieval-heads-1';

const span = v.strictTuple([whole(), whole()]);
const labelSchema = v.pipe(
  v.array(v.strictObject({ text: v.optional(v.string()), query: span, gold: span })),
  v.minLength(1),
  v.maxLength(1000),
);
const headsSchema = v.looseObject({
  format: v.literal(headsFormat),
  model: v.string(),
  heads: v.pipe(v.array(v.looseObject({ layer: whole(), head: whole() })), v.minLength(1)),
});

export interface ChooseHeadsOptions extends EngineChoice {
  readonly encoding?: string | undefined;
  /** A file with labeled examples; words that the text repeats where there is none. */
  readonly labels: string | undefined;
  /** Heads to choose; an eighth of the model's where it is not given. */
  readonly count: number | undefined;
}

export async function chosenHeadsJson(file: string, options: ChooseHeadsOptions): Promise<ChosenHeadsJson> {
  const { text } = readDocument(file, options.encoding);
  const examples = options.labels === undefined ? repeatedWords(text) : labeledExamples(options.labels, text);
  if (examples.length === 0) {
    throw new Failure(
      'bad-example',
      `Cannot choose heads by ${file}: no word of five letters or more comes again on a later line. Name another file, or examples with --labels.`,
    );
  }
  const engine = await loadEngine(options);
  try {
    const { nLayers, nHeads, name } = engine.model;
    const { count } = options;
    if (count !== undefined && count > nLayers * nHeads) {
      throw new Failure(
        'bad-usage',
        `--count is ${count}, expected at most ${nLayers * nHeads}, the heads of the model.`,
      );
    }
    const scores = await engine.scoreHeads({ examples });
    const toJson = ({ layerIdx, headIdx, score }: (typeof scores)[number]) => ({
      layer: layerIdx,
      head: headIdx,
      score,
    });
    return {
      ...{ format: headsFormat, version: toolVersion, model: name, file: basename(file) },
      ...{ source: options.labels === undefined ? 'repeated words' : 'labels', examples: examples.length },
      heads: bestHeads(scores, count).map(toJson),
      scores: scores.map(toJson),
    };
  } finally {
    await engine.release();
  }
}

/** A table for people. */
export function chosenHeadsText({ model, file, source, examples, heads }: ChosenHeadsJson): string {
  return [
    `${oneLine(model)}: heads that find context, by ${examples} examples (${source}) of ${oneLine(file)}`,
    ' head   score: attention on the gold passage, less that without the query',
    ...heads.map(({ layer, head, score }) => `${`L${layer}H${head}`.padStart(6)}  ${score.toFixed(4)}`),
  ].join('\n');
}

/** Heads of a file that `choose-heads` wrote. @throws Failure for another model's, or one that is not such a file. */
export function readHeadsFile(path: string, { model }: Engine): HeadRef[] {
  const output = readJson('--heads-file', path, headsSchema, 'what mta-inspect choose-heads --json writes');
  if (output.model !== model.name) {
    throw new Failure(
      'bad-usage',
      `--heads-file ${path} is for the model "${output.model}", not for "${model.name}". Choose heads with this model: mta-inspect choose-heads.`,
    );
  }
  const wrong = output.heads.find(({ layer, head }) => !(layer < model.nLayers && head < model.nHeads));
  if (wrong) {
    throw new Failure(
      'bad-usage',
      `--heads-file ${path} has L${wrong.layer}H${wrong.head}, expected layers 0 to ${model.nLayers - 1} and heads 0 to ${model.nHeads - 1}.`,
    );
  }
  return output.heads.map(({ layer, head }) => ({ layerIdx: layer, headIdx: head }));
}

function labeledExamples(path: string, text: string): RetrievalExample[] {
  const expected =
    'a list of 1 to 1000 {"query": [start, end], "gold": [start, end]}, offsets in the file, or in "text" where an example has one';
  return readJson('--labels', path, labelSchema, expected).map(({ text: own = text, query, gold }) => ({
    text: own,
    query: { start: query[0], end: query[1] },
    gold: { start: gold[0], end: gold[1] },
  }));
}

/** One is enough: a hostile list could have millions. */
const firstProblem = { abortEarly: true, abortPipeEarly: true };

/** Of a file with examples or heads. */
const maxListBytes = 64 << 20;

/** A JSON file of the form of a schema. @throws Failure naming the first value that is not, and what was expected. */
function readJson<T>(option: string, path: string, schema: v.GenericSchema<unknown, T>, expected: string): T {
  const refuse = (what: string) =>
    new Failure('bad-usage', `Cannot read ${option} ${path}: ${what}. Expected ${expected}.`);
  const bytes = readBytes(path, maxListBytes);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw refuse('it is not JSON');
  }
  const parsed = v.safeParse(schema, json, firstProblem);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw refuse(`${v.getDotPath(issue) ?? 'all of it'} is ${shown(issue.input)}`);
}
