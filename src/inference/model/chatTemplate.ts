/**
 * A model's chat template, as `transformers` finds it, and what it makes of messages. It is rendered in a process of its own
 * with limits of time and memory: a worker thread that runs out of memory can end the process that it is in.
 */

import { spawn } from 'node:child_process';
import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChatMessage } from '../../shared/interventions';
import { Cancelled, Failure, shown } from '../../shared/tools/failure';
import { plainLine, shorten } from '../../shared/tools/plainText';
import { inside, readJson, readWhole, unreadable } from './folderFiles';
import type { Metadata } from './gguf/header';

export interface ChatTemplate {
  /** Jinja. */
  readonly source: string;
  /** By the names that templates know them by: `bos_token`, `eos_token`, … */
  readonly specialTokens: Readonly<Record<string, string>>;
}

/** What is rendered. */
export interface RenderRequest {
  readonly template: string;
  readonly context: Readonly<Record<string, unknown>>;
}

export type RenderAnswer = { readonly prompt: string } | { readonly reason: string };

export interface RenderLimits {
  readonly maxMs: number;
  readonly maxHeapMb: number;
  /** Bytes of its answer. */
  readonly maxBytes: number;
}

/** Templates of known models have up to 20 kB and take some milliseconds. */
const maxTemplateLength = 1 << 20;
const maxFileBytes = 4 * maxTemplateLength;
const usualLimits: RenderLimits = { maxMs: 10_000, maxHeapMb: 64, maxBytes: 1 << 24 };

/**
 * @param jinja contents of chat_template.jinja, which comes before the other; null where there is none.
 * @param tokenizerConfig parsed tokenizer_config.json; null where there is none.
 * @returns null for a model without a chat template. @throws Failure `bad-chat-template`.
 */
export function chatTemplateOf(jinja: string | null, tokenizerConfig: unknown, model: string): ChatTemplate | null {
  const config = isObject(tokenizerConfig) ? tokenizerConfig : {};
  const source = jinja ?? defaultOf(config['chat_template'], model);
  if (source === null) return null;
  const specialTokens: Record<string, string> = {};
  for (const [name, value] of Object.entries(config)) {
    const content = isObject(value) ? value['content'] : value;
    if (name.endsWith('_token') && typeof content === 'string') specialTokens[name] = content;
  }
  return { source, specialTokens };
}

/** The same of a folder. */
export async function readChatTemplate(directory: string, model: string): Promise<ChatTemplate | null> {
  const [hasJinja, hasConfig] = await Promise.all(
    ['chat_template.jinja', 'tokenizer_config.json'].map(name =>
      lstat(join(directory, name)).then(
        () => true,
        () => false,
      ),
    ),
  );
  const jinja = hasJinja ? await readJinja(directory) : null;
  return chatTemplateOf(jinja, hasConfig ? await readJson(directory, 'tokenizer_config.json') : null, model);
}

async function readJinja(directory: string): Promise<string> {
  const name = 'chat_template.jinja';
  const path = await inside(directory, name);
  const { size } = await stat(path);
  if (size > maxFileBytes) throw unreadable(directory, name, `it has ${size} bytes, more than ${maxFileBytes}`);
  return new TextDecoder().decode(await readWhole(path));
}

/** The same of a GGUF file. */
export function ggufChatTemplate(metadata: Metadata): ChatTemplate | null {
  const source = metadata.get('tokenizer.chat_template');
  if (typeof source !== 'string') return null;
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const specialTokens: Record<string, string> = {};
  for (const [name, key] of Object.entries(ggufIds)) {
    const id = metadata.get(`tokenizer.ggml.${key}_token_id`);
    const token = Array.isArray(tokens) && typeof id === 'number' ? tokens[id] : undefined;
    if (typeof token === 'string') specialTokens[`${name}_token`] = token;
  }
  return { source, specialTokens };
}

const ggufIds = { bos: 'bos', eos: 'eos', unk: 'unknown', sep: 'seperator', pad: 'padding', cls: 'cls', mask: 'mask' };

/** One template, or the default one of several. */
function defaultOf(value: unknown, model: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  const named = Array.isArray(value) ? value.filter(isObject) : [];
  const found = named.find(({ name }) => name === 'default')?.['template'];
  if (typeof found === 'string') return found;
  const names = named.slice(0, 8).map(({ name }) => (typeof name === 'string' ? name.slice(0, 60) : shown(name)));
  throw badTemplate(
    model,
    names.length > 0
      ? `tokenizer_config.json has the templates ${names.join(', ')} and none named default`
      : 'chat_template of tokenizer_config.json is neither a text nor a list of templates',
  );
}

function checkLength(source: string, model: string): void {
  if (source.length <= maxTemplateLength) return;
  throw badTemplate(model, `it has ${source.length} characters, more than ${maxTemplateLength}`);
}

/**
 * What the template makes of messages, with the beginning of the answer that the model is to write. As in `transformers`,
 * special tokens that a message spells out are those tokens to the model.
 * @param program path of the built renderChat.
 * @throws Failure `bad-chat-template`; Cancelled once `signal` fires.
 */
export async function renderChat(
  { source, specialTokens }: ChatTemplate,
  messages: readonly ChatMessage[],
  model: string,
  signal?: AbortSignal,
  program = join(__dirname, 'renderChat.cjs'),
  limits: RenderLimits = usualLimits,
): Promise<string> {
  checkLength(source, model);
  const context = { ...specialTokens, messages, tools: null, documents: null, add_generation_prompt: true };
  const answer = await render({ template: source, context }, program, limits, signal);
  if (signal?.aborted) throw new Cancelled();
  if ('reason' in answer) throw badTemplate(model, plainLine(shorten(answer.reason, 300)));
  return answer.prompt;
}

/** Never rejects: what goes wrong is the answer's reason. */
function render(
  request: RenderRequest,
  program: string,
  { maxMs, maxHeapMb, maxBytes }: RenderLimits,
  signal: AbortSignal | undefined,
): Promise<RenderAnswer> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [`--max-old-space-size=${maxHeapMb}`, program], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...loaderVariables(), ELECTRON_RUN_AS_NODE: '1' },
      windowsHide: true,
    });
    const chunks: Buffer[] = [];
    let nBytes = 0;
    const end = (answer: RenderAnswer) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      child.kill('SIGKILL');
      resolve(answer);
    };
    const cancel = () => end({ reason: 'it was canceled' });
    const timer = setTimeout(() => end({ reason: `it takes longer than ${maxMs / 1000} s` }), maxMs);
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      nBytes += chunk.length;
      if (nBytes > maxBytes) end({ reason: `it writes more than ${maxBytes} bytes` });
    });
    child.on('error', error => end({ reason: `no process could be started for it (${error.message})` }));
    child.on('close', code => {
      if (code !== 0) return end({ reason: `it takes more than ${maxHeapMb} MB of memory` });
      end(JSON.parse(Buffer.concat(chunks).toString('utf8')));
    });
    child.stdin.on('error', () => {}); // it ended before it had read everything; `close` says why
    child.stdin.end(JSON.stringify(request));
  });
}

/** Of the environment what a program is loaded by; a template sees none of it. */
function loaderVariables(): NodeJS.ProcessEnv {
  const names = ['PATH', 'SystemRoot', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH'];
  return Object.fromEntries(
    names.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function badTemplate(model: string, why: string): Failure {
  return new Failure(
    'bad-chat-template',
    `Cannot use the chat template of model "${model}": ${why}. Change the messages, continue the text itself, or pick another model.`,
    ['selectModel'],
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
