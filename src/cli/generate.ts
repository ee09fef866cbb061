/** `mta-inspect generate`: continues a file from a place in it. The file itself is never written. */

import { basename } from 'node:path';
import type { SamplingOptions } from '../attention/sampling';
import { windowJson } from '../export/mapText';
import type { Engine } from '../inference/engine';
import type { ChatMessage, ContinuedToken } from '../shared/interventions';
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
  /** Absent: the end of the text. */
  readonly at: number | undefined;
  readonly nTokens: number;
  readonly seed: number;
  /** Put behind the text first: what if it had been this. */
  readonly instead: string;
  /** Likeliest tokens of each step. */
  readonly topK: number;
  /** Likeliest tokens at the place that are each continued. */
  readonly nBranches: number;
  /** The text before the place is a user's message, rendered by the model's chat template; `system` comes before it. */
  readonly chat: { readonly system: string | undefined } | null;
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
    /** What the chat template was given and what it made of it; null where the text itself is continued. */
    readonly chat: { readonly messages: readonly ChatMessage[]; readonly prompt: string } | null;
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
  if (options.at !== undefined) checkOffset('--at', options.at, text);
  const at = startOfCharacter(text, options.at ?? text.length);
  const engine = await loadEngine(options);
  const { vocabSize } = engine.model;
  if (nBranches > vocabSize) {
    throw new Failure(
      'bad-usage',
      `--branches is ${nBranches}, expected at most ${vocabSize}, the tokens of the vocabulary.`,
    );
  }
  const { ids, start, chat } = await promptOf(engine, text.slice(0, at), options);
  const sampling = { nTokens, seed, temperature, topP, topK: Math.max(topK, nBranches) };
  let [firstMs, lastMs] = [0, 0];
  const onToken = (token: ContinuedToken) => {
    lastMs = performance.now();
    firstMs ||= lastMs;
    options.onToken?.(token.text);
  };
  const { tokens, text: continued, ended } = await engine.continueIds(ids, sampling, onToken);
  const toJson = ({ top, ...token }: ContinuedToken): GeneratedTokenJson => ({
    ...token,
    text: engine.label(token.id),
    top: top.slice(0, topK),
  });
  const branches: GenerateJson['branches'][number][] = [];
  for (const alternative of tokens[0]!.top.slice(0, nBranches)) {
    const isEnd = alternative.id === engine.endTokenId || nTokens === 1;
    const others = { ...sampling, nTokens: isEnd ? 0 : nTokens - 1, firstIds: [alternative.id] };
    const branch = await engine.continueIds(ids, others);
    branches.push({ ...alternative, continued: branch.text, tokens: branch.tokens.map(toJson) });
  }
  const { model, provider } = engine;
  return {
    format: 'mta-generate-1',
    file: basename(file),
    model: { name: model.name, n_layers: model.nLayers, n_heads: model.nHeads },
    provider,
    prompt: { tokens: ids.length, ...windowJson({ start, end: at, documentLength: text.length }), instead, chat },
    ...{ temperature, top_p: topP, seed, generator: 'mulberry32' as const },
    text: continued,
    ended,
    tokens_per_second: tokens.length > 1 ? (tokens.length - 1) / ((lastMs - firstMs) / 1000) : 0,
    tokens: tokens.map(toJson),
    branches,
  };
}

/** The place, or the one before the surrogate pair that it is inside of: half a character is not a text. */
function startOfCharacter(text: string, offset: number): number {
  return text.codePointAt(offset - 1)! > 0xffff ? offset - 1 : offset;
}

/**
 * The last tokens before the place that leave room for those to come, after the begin token where the model has one; or all
 * of the messages. @throws Failure `no-room` where those are too long, and as `Engine.chatPrompt`.
 */
async function promptOf(engine: Engine, before: string, options: GenerateOptions) {
  const { nTokens, maxTokens, instead, chat } = options;
  const room = windowSize(engine, maxTokens);
  if (nTokens >= room) {
    throw new Failure(
      'bad-usage',
      `--tokens is ${nTokens}, expected at most ${room - 1}: the text and what follows it share a window of ${room} tokens.`,
    );
  }
  const text = before + instead;
  if (chat) {
    const system = chat.system === undefined ? [] : [{ role: 'system' as const, content: chat.system }];
    const messages: ChatMessage[] = [...system, { role: 'user', content: text }];
    const { prompt, ids } = await engine.chatPrompt(messages, room - nTokens);
    return { ids, start: 0, chat: { messages, prompt } };
  }
  const { tokens, window } = engine.promptTokens(sliceAround(text, text.length, textReach(room)), room - nTokens);
  return { ids: tokens.ids, start: Math.min(window.start, before.length), chat: null };
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
