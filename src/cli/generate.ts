/** `mta-inspect generate`: continues a file from a place in it. The file itself is never written. */

import { basename } from 'node:path';
import type { SamplingOptions } from '../attention/sampling';
import { windowJson } from '../export/mapText';
import type { Engine } from '../inference/engine';
import { sliceAround, textReach } from '../shared/tools/documentText';
import { Failure } from '../shared/tools/failure';
import { checkOffset, type EngineChoice, loadEngine, windowSize } from './document';
import { quoted } from './logitLens';
import { readDocument } from './readDocument';
import type { TokenJson } from './targets';
import { oneLine } from './terminal';

export interface GenerateOptions extends EngineChoice, SamplingOptions {
  readonly encoding: string | undefined;
  readonly maxTokens: number | undefined;
  readonly at: number;
  readonly nTokens: number;
  readonly seed: number;
  /** Put behind the text first: what if it had been this. */
  readonly instead: string;
  /** Likeliest tokens of each step. */
  readonly topK: number;
  /** Likeliest tokens at the place that are each continued. */
  readonly nBranches: number;
  /** Hears every token as it comes. */
  readonly onToken?: (text: string) => void;
}

/** The JSON of `generate --json`; documented in schemas/generate.schema.json. */
export interface GenerateJson {
  readonly format: 'mta-generate-1';
  readonly file: string;
  readonly model: { readonly name: string; readonly n_layers: number; readonly n_heads: number };
  readonly provider: string;
  readonly prompt: {
    readonly tokens: number;
    readonly start: number;
    readonly end: number;
    readonly document_length: number;
    readonly instead: string;
  };
  readonly temperature: number;
  readonly top_p: number;
  readonly seed: number;
  readonly generator: 'mulberry32';
  readonly text: string;
  readonly ended: 'length' | 'end-token';
  readonly tokens_per_second: number;
  readonly tokens: readonly GeneratedTokenJson[];
  /** Each of the likeliest tokens at the place, continued; none unless asked for. */
  readonly branches: readonly (TokenJson & {
    readonly probability: number;
    /** The token and what follows it. */
    readonly continued: string;
    readonly tokens: readonly GeneratedTokenJson[];
  })[];
}

interface GeneratedTokenJson extends TokenJson {
  readonly probability: number;
  readonly top: readonly (TokenJson & { readonly probability: number })[];
}

export async function generateJson(file: string, options: GenerateOptions): Promise<GenerateJson> {
  const { nTokens, seed, temperature, topP, topK, instead, nBranches } = options;
  const { text } = readDocument(file, options.encoding);
  checkOffset('--at', options.at, text);
  const at = startOfCharacter(text, options.at);
  const engine = await loadEngine(options);
  const { vocabSize } = engine.model;
  if (nBranches > vocabSize) {
    throw new Failure(
      'bad-usage',
      `--branches is ${nBranches}, expected at most ${vocabSize}, the tokens of the vocabulary.`,
    );
  }
  const { ids, start } = promptOf(engine, text.slice(0, at), options);
  const sampling = { nTokens, seed, temperature, topP, topK: Math.max(topK, nBranches) };
  const { tokens, text: continued, seconds } = await continueIds(engine, ids, sampling, options.onToken);
  const branches: GenerateJson['branches'][number][] = [];
  for (const alternative of tokens[0]!.top.slice(0, nBranches)) {
    const isEnd = alternative.id === engine.endTokenId || nTokens === 1;
    const others = { ...sampling, nTokens: isEnd ? 0 : nTokens - 1 };
    const branch = await continueIds(engine, [...ids, alternative.id], others, undefined, [alternative.id]);
    branches.push({ ...alternative, continued: branch.text, tokens: branch.tokens.map(withTop(topK)) });
  }
  const { model, provider } = engine;
  return {
    format: 'mta-generate-1',
    file: basename(file),
    model: { name: model.name, n_layers: model.nLayers, n_heads: model.nHeads },
    provider,
    prompt: { tokens: ids.length, ...windowJson({ start, end: at, documentLength: text.length }), instead },
    ...{ temperature, top_p: topP, seed, generator: 'mulberry32' as const },
    text: continued,
    ended: tokens.length < nTokens || tokens.at(-1)?.id === engine.endTokenId ? 'end-token' : 'length',
    tokens_per_second: tokens.length > 1 ? (tokens.length - 1) / seconds : 0,
    tokens: tokens.map(withTop(topK)),
    branches,
  };
}

/** The place, or the one before the surrogate pair that it is inside of: half a character is not a text. */
function startOfCharacter(text: string, offset: number): number {
  return text.codePointAt(offset - 1)! > 0xffff ? offset - 1 : offset;
}

const withTop = (topK: number) => (token: GeneratedTokenJson) => ({ ...token, top: token.top.slice(0, topK) });

/**
 * @param first the last of `ids` that belong to the text that is returned: its bytes may begin a character.
 * @returns the tokens, their text, and the time after the first one.
 */
async function continueIds(
  engine: Engine,
  ids: ArrayLike<number>,
  sampling: Parameters<Engine['experiments']['generate']>[1],
  onToken?: (text: string) => void,
  first: readonly number[] = [],
) {
  const tokens: GeneratedTokenJson[] = [];
  const decoder = new TextDecoder('utf-8');
  let text = first.map(id => decoder.decode(engine.bytesOf(id), { stream: true })).join('');
  let firstMs = 0;
  for await (const token of engine.experiments.generate(Int32Array.from(ids), sampling)) {
    firstMs ||= performance.now();
    const { id, probability, topIds, topProbabilities } = token;
    const part = decoder.decode(engine.bytesOf(id), { stream: true });
    text += part;
    onToken?.(part);
    const top = Array.from(topIds, (other, i) => ({
      ...{ id: other, text: engine.label(other) },
      probability: topProbabilities[i]!,
    }));
    tokens.push({ id, text: engine.label(id), probability, top });
  }
  return { tokens, text: text + decoder.decode(), seconds: (performance.now() - firstMs) / 1000 };
}

/** The last tokens before the place that leave room for those to come, after the begin token where the model has one. */
function promptOf(engine: Engine, before: string, { nTokens, maxTokens, instead }: GenerateOptions) {
  const room = windowSize(engine, maxTokens);
  if (nTokens >= room) {
    throw new Failure(
      'bad-usage',
      `--tokens is ${nTokens}, expected at most ${room - 1}: the text and what follows it share a window of ${room} tokens.`,
    );
  }
  const text = before + instead;
  const { tokens, window } = engine.lastTokens(sliceAround(text, text.length, textReach(room)), room - nTokens);
  return { ids: tokens.ids, start: Math.min(window.start, before.length) };
}

/** For people: what the model writes, or what it finds likely next. */
export function generateText(json: GenerateJson): string {
  const { tokens, prompt, temperature, top_p: topP, seed } = json;
  const how = temperature === 0 ? 'greedy' : `temperature ${temperature}, top-p ${topP}, seed ${seed} (mulberry32)`;
  const lines = [
    `${oneLine(json.file)}: after ${prompt.tokens} tokens, ${oneLine(json.model.name)}, ${how}, ${json.tokens_per_second.toFixed(1)} tokens/s`,
  ];
  for (const { text, probability, top } of tokens.length <= 3 ? tokens : []) {
    lines.push(`${probability.toPrecision(3).padStart(9)}  ${quoted(text)} chosen of`);
    for (const other of top) lines.push(`${other.probability.toPrecision(3).padStart(13)}  ${quoted(other.text)}`);
  }
  lines.push(json.text);
  for (const { probability, continued } of json.branches) {
    lines.push(`${probability.toPrecision(3).padStart(9)}  ${quoted(continued)}`);
  }
  return lines.join('\n');
}
