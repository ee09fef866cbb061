/** The options of the command line: which command takes which, what they may be, and how they are described. */

import { parseArgs } from 'node:util';
import { toolVersion } from '../export/source';
import { searchMethods } from '../shared/documentSearch';
import { patchKinds } from '../shared/interventions';
import { stages } from '../shared/operators';
import { exportFormats } from '../shared/panel/exportFormats';
import { occlusionModes, relevanceMethods } from '../shared/relevance';
import { replacements } from './ablateParts';
import { measureNames } from './heads';
import { rangeUnits } from './knockOut';
import { toyAnswers } from './toy';

/** Wrong use of the command line: exit code 2, and how the command is used. */
export class UsageError extends Error {}

interface Option {
  /** What stands for the value in texts; absent for a switch. */
  readonly value?: string;
  readonly help: string;
  readonly isRepeatable?: true;
}

const out = 'a file, or - for standard output';

export const options = {
  model: {
    value: 'NAME|DIR',
    help: 'an installed model, a model folder or file, or OWNER/NAME[@REVISION] in the Hugging Face cache; with --remote the served name',
  },
  remote: {
    value: 'URL',
    help: 'a server of the Open Inference Protocol v2: http(s):// for REST, grpc(s):// for gRPC',
  },
  provider: {
    value: 'NAME',
    help: 'auto, cpu (the default, so that figures can be reproduced), webgpu, cuda, dml, coreml',
  },
  'quantized-weights': {
    value: 'KIND',
    help: 'of a GGUF file or 8-bit folder: packed (the default: as small in memory as they are), float32 (larger, and faster on a CPU)',
  },
  encoding: {
    value: 'NAME',
    help: 'of the file, as TextDecoder names it; otherwise by its byte order mark, else UTF-8',
  },
  'max-tokens': { value: 'N', help: 'longest window, begin token included; at most the context of the model' },
  at: { value: 'OFFSET', help: 'a place, in UTF-16 units from the start of the file' },
  to: { value: 'OFFSET', help: 'where the selection ends, exclusive; otherwise it is the token at --at' },
  row: {
    value: 'ROW',
    help: 'predicting (the default, but for context and search): the row that predicts the token; reading: its own row',
  },
  target: { value: 'TARGET', help: 'actual (the token that came, unless given), predicted, or a token id' },
  minus: { value: 'ID', help: 'a token whose logit is subtracted; otherwise the mean of all logits is' },
  cells: { help: 'every source token of every head in the JSON' },
  what: { value: 'WHAT', help: `${patchKinds.join(', ')}: what is replaced` },
  with: {
    value: 'VALUES',
    help: `${replacements.join(' or ')} (over the tokens up to the row): what stands in its place`,
  },
  align: { help: 'equal tokens correspond, for texts of unequal length; otherwise equal positions do' },
  keys: {
    value: 'FROM:TO[,…]',
    help: 'what may not be seen, TO exclusive, counted in --unit; of export the columns of the picture or file',
  },
  'all-stages': { help: 'all stages of the head side by side, in one picture' },
  unit: {
    value: 'UNIT',
    help: `${rangeUnits.join(', ')} (offsets unless given): what FROM:TO counts; lines are from 1`,
  },
  each: { help: 'forbids every range by itself, of lines every line; otherwise all of them together' },
  queries: {
    value: 'FROM:TO[,…]|selected',
    help: 'rows that may not see the keys: all rows after them unless given; selected: only those that are asked about; of export the rows of the picture or file',
  },
  layers: { value: 'LAYERS', help: 'a list such as 0,3:6 (without 6), in place of --heads' },
  tokens: { value: 'N', help: 'tokens to write' },
  temperature: { value: 'T', help: 'logits are divided by it; 0 (unless given) takes the likeliest token' },
  'top-p': { value: 'P', help: 'draws from the likeliest tokens that have this probability together; 1 unless given' },
  instead: { value: 'TEXT', help: 'text put behind the place first: what if it had been this' },
  'window-start': { value: 'OFFSET', help: 'where the window begins' },
  question: { value: 'TEXT', help: 'text that is put behind the document and selected in place of --at' },
  layer: { value: 'L', help: 'from 0' },
  head: { value: 'H', help: 'from 0' },
  stage: { value: 'STAGE', help: stages.join(', ') },
  top: {
    value: 'K',
    help: 'strongest keys of each query in the JSON, 16 unless given; likeliest tokens, 5 unless given',
  },
  format: { value: 'FORMAT', help: exportFormats.join(', ') },
  out: { value: 'OUT', help: out },
  bom: { help: 'begins a CSV file with a byte order mark, by which spreadsheets recognize UTF-8' },
  method: { value: 'METHOD', help: `${relevanceMethods.join(', ')} (search: without rollout); mean unless given` },
  heads: {
    value: 'HEADS',
    help: 'all (unless given), layer with --layer, or a list such as 2.0,3.*; one head for --method head',
  },
  'heads-file': { value: 'FILE', help: 'heads that choose-heads has saved, in place of --heads' },
  labels: {
    value: 'FILE',
    help: 'examples, [{"query": [start, end], "gold": [start, end]}, …]; words that FILE repeats unless given',
  },
  count: { value: 'N', help: 'heads to choose; an eighth of all unless given' },
  quantity: {
    value: 'QUANTITY',
    help: 'weight (unless given), norm: of what the weight adds to the stream, contribution: its share of the output of the head',
  },
  direction: { value: 'DIRECTION', help: 'attends (unless given) or attendedBy' },
  occlude: { value: 'MODE', help: `${occlusionModes.join(' or ')}: also what occluding each line does` },
  verify: { help: 'ranks lines by hiding them from the predicting rows (knock-out), with occlusion beside it' },
  chat: {
    help: "the text before --at (all of it unless given) is a user's message, rendered by the model's chat template",
  },
  system: { value: 'TEXT', help: "a system message before the user's; needs --chat" },
  branches: { value: 'K', help: 'also continues each of the K likeliest tokens at the place' },
  cell: {
    value: 'CELL',
    help: 'LAYER.HEAD:TOKEN[,…]: cells that are split over the taps and source heads that make them',
  },
  'parts-only': { help: 'whole parts of layers, not single heads' },
  by: { value: 'MEASURE', help: [...measureNames.keys()].join(', ') },
  'block-length': { value: 'N', help: 'letters of a block, 5 unless given' },
  answer: { value: 'ANSWER', help: toyAnswers.join(', ') },
  samples: { value: 'N', help: '1000 unless given' },
  seed: { value: 'N', help: 'of what is drawn at random; of generate 0 unless given' },
  dtype: { value: 'TYPE', help: 'fp32 or fp16' },
  rows: { value: 'N', help: 'rows of a layer that are computed at a time' },
  only: { value: 'PREFIX', help: 'cases or shapes whose names begin with it', isRepeatable: true },
  shapes: { help: 'models of published shapes with random weights, beside PyTorch where a Python (MTA_PYTHON) has it' },
  revision: { value: 'REVISION', help: 'a branch, a tag or a commit; main unless given' },
  gguf: { value: 'FILE', help: 'a GGUF file of the repository, in place of its safetensors' },
  json: { value: 'OUT', help: out },
} as const satisfies Readonly<Record<string, Option>>;

export type OptionName = keyof typeof options;
type Repeatable = {
  [Name in OptionName]: (typeof options)[Name] extends { isRepeatable: true } ? Name : never;
}[OptionName];
type Switch = { [Name in OptionName]: (typeof options)[Name] extends { value: string } ? never : Name }[OptionName];

export type Values = { readonly [Name in Exclude<OptionName, Switch | Repeatable>]?: string } & {
  readonly [Name in Switch]?: boolean;
} & { readonly [Name in Repeatable]?: readonly string[] };

export interface CommandSyntax {
  /** What the command does, as the start of a line. */
  readonly summary: string;
  /** What it takes beside options. */
  readonly takes: 'FILE' | 'FILE...' | 'CLEAN CORRUPTED' | 'DIR' | 'ID' | 'SHELL' | null;
  readonly options: readonly OptionName[];
  /** Options as the usage shows them. */
  readonly usage: string;
}

const engine = ['model', 'remote', 'provider', 'quantized-weights'] as const;
const file = [...engine, 'encoding', 'max-tokens'] as const;
const selection = ['at', 'to', 'question', 'method', 'heads', 'heads-file', 'layer', 'head', 'stage'] as const;

export const syntax = {
  analyze: {
    summary: 'the strongest keys of every token, in one map',
    takes: 'FILE',
    options: [...file, 'at', 'window-start', 'layer', 'head', 'stage', 'top', 'json'],
    usage: '[--layer L --head H --stage STAGE] [--top K] [--at OFFSET | --window-start OFFSET] [--json OUT]',
  },
  export: {
    summary: 'one map as a file; npz holds all layers and heads, or those chosen',
    takes: 'FILE',
    options: [
      ...file,
      ...(['at', 'window-start', 'layer', 'head', 'stage', 'all-stages', 'queries', 'keys', 'unit'] as const),
      ...(['top', 'format', 'out', 'bom'] as const),
    ],
    usage:
      `--format ${exportFormats.join('|')} --out OUT [--bom] [--layer L --head H --stage STAGE | --all-stages] [--top K]\n` +
      '          [--queries FROM:TO] [--keys FROM:TO] [--unit offsets|tokens|lines]',
  },
  context: {
    summary: 'which lines are relevant for a place or a question',
    takes: 'FILE',
    options: [...file, ...selection, 'window-start', 'direction', 'row', 'quantity', 'occlude', 'verify', 'json'],
    usage:
      '--at OFFSET [--to OFFSET] | --question TEXT [--method METHOD] [--heads HEADS | --heads-file FILE] [--layer L --head H --stage STAGE]\n' +
      '          [--direction attends|attendedBy] [--row reading|predicting] [--quantity weight|norm|contribution]\n' +
      '          [--occlude replace|remove] [--verify] [--json OUT]',
  },
  search: {
    summary: 'the same over a document of any length, range by range',
    takes: 'FILE',
    options: [...file, ...selection, 'row', 'json'],
    usage: `--at OFFSET [--to OFFSET] | --question TEXT [--method ${searchMethods.join('|')}]\n          [--heads HEADS | --heads-file FILE] [--row reading|predicting] [--json OUT]`,
  },
  ablate: {
    summary: 'what each part of the model does on this text',
    takes: 'FILE',
    options: [...file, 'at', 'window-start', 'parts-only', 'what', 'with', 'row', 'target', 'minus', 'json'],
    usage:
      '[--parts-only] | --what head|mlp|value|pattern|residual --with zero|mean --at OFFSET\n' +
      '          [--row predicting|reading] [--target actual|predicted|ID] [--minus ID] [--json OUT]',
  },
  explain: {
    summary: 'what a logit is made of: embedding, heads and their source tokens, MLPs',
    takes: 'FILE',
    options: [...file, 'at', 'window-start', 'row', 'target', 'minus', 'cells', 'cell', 'json'],
    usage:
      '--at OFFSET [--row predicting|reading] [--target actual|predicted|ID] [--minus ID] [--cells]\n' +
      '          [--cell LAYER.HEAD:TOKEN[,…]] [--json OUT]',
  },
  lens: {
    summary: 'what the residual stream after each layer predicts at a place',
    takes: 'FILE',
    options: [...file, 'at', 'to', 'window-start', 'row', 'target', 'top', 'json'],
    usage: '--at OFFSET [--to OFFSET] [--row predicting|reading] [--target actual|predicted|ID] [--top K] [--json OUT]',
  },
  knockout: {
    summary: 'how a prediction changes when later tokens may not see others',
    takes: 'FILE',
    options: [
      ...file,
      ...([
        'at',
        'to',
        'window-start',
        'row',
        'target',
        'keys',
        'unit',
        'each',
        'queries',
        'layers',
        'heads',
        'json',
      ] as const),
    ],
    usage:
      '--at OFFSET [--to OFFSET] --keys FROM:TO[,…] [--unit offsets|tokens|lines] [--each] [--queries FROM:TO[,…]|selected]\n' +
      '          [--layers LAYERS | --heads HEADS] [--row predicting|reading] [--target actual|predicted|ID] [--json OUT]',
  },
  patch: {
    summary: 'parts of a clean text’s run put into a corrupted one’s: where the difference is made',
    takes: 'CLEAN CORRUPTED',
    options: [...file, 'at', 'row', 'target', 'minus', 'what', 'align', 'json'],
    usage:
      '--at OFFSET --target ID --minus ID --what residual|head|pattern|value|mlp [--align] [--row predicting|reading]\n' +
      '          [--json OUT]',
  },
  generate: {
    summary: 'continues the text from a place, without writing to the file; --tokens 1 --top K lists next tokens',
    takes: 'FILE',
    options: [
      ...file,
      ...(['at', 'tokens', 'chat', 'system', 'seed', 'temperature', 'top-p', 'instead', 'branches'] as const),
      ...(['top', 'json'] as const),
    ],
    usage:
      '--at OFFSET --tokens N [--chat [--system TEXT]] [--seed S --temperature T --top-p P] [--instead TEXT]\n' +
      '          [--branches K] [--top K] [--json OUT]',
  },
  heads: {
    summary: 'all heads, ranked by a measure',
    takes: 'FILE',
    options: [...file, 'at', 'window-start', 'by', 'quantity', 'json'],
    usage: '[--by MEASURE] [--quantity weight|norm|contribution] [--json OUT]',
  },
  'choose-heads': {
    summary: 'heads that find context, by examples or by words that the file repeats, for --heads-file',
    takes: 'FILE',
    options: [...engine, 'encoding', 'labels', 'count', 'json'],
    usage: '[--labels FILE] [--count N] [--json OUT]',
  },
  eval: {
    summary: 'bits per byte, perplexity and top-1 accuracy on whole files',
    takes: 'FILE...',
    options: [...file, 'json'],
    usage: '[--max-tokens N] [--json OUT]',
  },
  toy: {
    summary: 'the toy task of the paper',
    takes: null,
    options: [...engine, 'block-length', 'answer', 'samples', 'seed', 'json'],
    usage: '[--block-length N --answer all|first|last] [--samples N] [--seed N] [--json OUT]',
  },
  golden: {
    summary: 'compares the engine with golden cases',
    takes: 'DIR',
    options: ['provider', 'dtype', 'rows', 'only'],
    usage: '[--provider cpu|webgpu|cuda] [--dtype fp32|fp16] [--rows N] [--only PREFIX]...',
  },
  bench: {
    summary: 'speed and memory, beside peers and limits',
    takes: null,
    options: ['model', 'provider', 'shapes', 'only', 'json'],
    usage: '[--provider webgpu|cuda|dml|coreml] [--shapes [--only PREFIX]...] [--json OUT]',
  },
  models: {
    summary: 'the installed models, and those of the Hugging Face cache, Ollama, LM Studio and llama.cpp',
    takes: null,
    options: ['json'],
    usage: '[--json]',
  },
  download: {
    summary: 'fetches a model from the Hugging Face hub into the cache that Python shares',
    takes: 'ID',
    options: ['revision', 'gguf'],
    usage: '[--revision REVISION] [--gguf FILE]',
  },
  'export-repository': {
    summary: 'a folder that Triton, KServe, MLServer and models/serving serve',
    takes: null,
    options: ['model', 'out'],
    usage: '--out DIR',
  },
  completion: {
    summary: 'a script that completes commands, options and their values in bash, zsh or fish',
    takes: 'SHELL',
    options: [],
    usage: '(bash, zsh or fish)',
  },
} as const satisfies Readonly<Record<string, CommandSyntax>>;

export type CommandName = keyof typeof syntax;

/** Names that commands had. */
const aliases: Readonly<Record<string, CommandName>> = { map: 'search' };

export interface Arguments {
  readonly command: CommandName;
  readonly positionals: readonly string[];
  readonly values: Values;
}

/** @returns the help that was asked for, or a command and its arguments. @throws UsageError for what the command does not take. */
export function readArguments(argv: readonly string[]): Arguments | { readonly help: string } {
  const isHelp = argv.some(argument => argument === '--help' || argument === '-h');
  const { given, command } = commandIn(argv);
  if (isHelp) return { help: command ? usageOf(command) : usage };
  if (!command && argv[0] === '--version') return { help: toolVersion };
  if (!command) throw new UsageError(given ? `there is no command "${given}"` : 'a command is missing');
  const types = optionTypes(command);
  // Not strict: what is wrong is said below, in words of our own.
  const { values, positionals, tokens } = parseArgs({
    ...{ args: [...argv], strict: false, allowPositionals: true, tokens: true },
    options: types,
  });
  const { takes, options: taken } = syntax[command] as CommandSyntax;
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const name = token.name as OptionName;
    if (!taken.includes(name)) throw new UsageError(`${command} does not take ${token.rawName}`);
    if (seen.has(name) && !('isRepeatable' in options[name])) throw new UsageError(`--${name} is given twice`);
    checkValue(name, token, types[name]!.type === 'boolean');
    seen.add(name);
  }
  const rest = positionals.slice(1);
  if (takes === null && rest.length > 0) throw new UsageError(`${command} takes no file, found "${rest[0]}"`);
  if (takes === 'FILE...' && rest.length === 0) throw new UsageError(`${command} needs at least one FILE, found none`);
  if (['FILE', 'DIR', 'ID', 'SHELL'].includes(takes ?? '') && rest.length !== 1) {
    throw new UsageError(`${command} needs one ${takes}, found ${rest.length || 'none'}`);
  }
  if (takes === 'CLEAN CORRUPTED' && rest.length !== 2) {
    throw new UsageError(`${command} needs two files, CLEAN and CORRUPTED, found ${rest.length || 'none'}`);
  }
  return { command, positionals: rest, values: values as Values };
}

interface GivenValue {
  readonly value?: string | undefined;
  /** Given as --name=value. */
  readonly inlineValue?: boolean | undefined;
}

/** @throws UsageError for a value that is missing, empty or another option, or one of a switch. */
function checkValue(name: OptionName, { value, inlineValue }: GivenValue, isSwitch: boolean) {
  if (isSwitch) {
    if (value !== undefined) throw new UsageError(`--${name} takes no value, found "${value}"`);
    return;
  }
  if (value === undefined) throw new UsageError(`--${name} has no value, expected ${valueNameOf(name)}`);
  if (value === '') throw new UsageError(`--${name} is empty, expected ${valueNameOf(name)}`);
  // A negative number is refused by what reads it, with what was expected.
  if (!inlineValue && /^-[^\d.]/.test(value)) {
    throw new UsageError(
      `--${name} has no value before ${value}, expected ${valueNameOf(name)}; a value that begins with - is given as --${name}=VALUE`,
    );
  }
}

/** The first argument that is not an option, and the command of that name. */
export function commandIn(argv: readonly string[]) {
  const given = parseArgs({ args: [...argv], strict: false, allowPositionals: true, options: optionTypes() })
    .positionals[0];
  return { given, command: given === undefined ? undefined : commandOf(given) };
}

/** As parseArgs takes them. `models --json` takes no value, `analyze --json OUT` does. */
function optionTypes(command?: CommandName) {
  const isSwitch = (name: OptionName) => !('value' in options[name]) || (name === 'json' && command === 'models');
  return Object.fromEntries(
    (Object.keys(options) as OptionName[]).map(name => [
      name,
      { type: isSwitch(name) ? 'boolean' : 'string', multiple: 'isRepeatable' in options[name] } as const,
    ]),
  );
}

function commandOf(name: string): CommandName | undefined {
  if (Object.hasOwn(syntax, name)) return name as CommandName;
  return Object.hasOwn(aliases, name) ? aliases[name] : undefined;
}

function valueNameOf(name: OptionName): string {
  const option: Option = options[name];
  return option.value ?? 'nothing';
}

const notes = `The token of a server is read from MTA_INSPECTOR_TOKEN, a certificate authority from MTA_INSPECTOR_CA.
OUT may be - for standard output. Offsets are UTF-16 units, as in VS Code. Heads are LAYER.HEAD, both from 0.
mta-inspect COMMAND --help describes the options of a command.
`;

/** How all commands are used. */
export const usage = `mta-inspect: see how a Multi-Token Attention model finds its context

${(Object.keys(syntax) as CommandName[]).map(lineOf).join('\n')}

${notes}`;

/** How one command is used, with all its options and the method of its figures. */
function usageOf(command: CommandName): string {
  const lines = (syntax[command].options as readonly OptionName[]).map(name => {
    const value = command === 'models' ? '' : ((options[name] as Option).value ?? '');
    const help =
      command === 'models'
        ? 'as JSON'
        : command === 'export-repository' && name === 'out'
          ? 'a folder'
          : options[name].help;
    return `  --${`${name} ${value}`.padEnd(22)} ${help}`;
  });
  const method = methods[command];
  return `${lineOf(command)}\n\n${lines.join('\n')}\n${method ? `\n${method}\n` : ''}`;
}

/** How one command is used, after a mistake. */
export function shortUsageOf(command: CommandName): string {
  return `${lineOf(command)}\n  mta-inspect ${command} --help describes the options.`;
}

function lineOf(command: CommandName): string {
  const { takes, summary, usage: shown } = syntax[command];
  return `  mta-inspect ${command}${takes ? ` ${takes}` : ''} ${shown}\n      ${summary}`;
}

/** How figures are made, where the options do not say it. */
const methods: Partial<Readonly<Record<CommandName, string>>> = {
  eval: `The file is read in windows of --max-tokens tokens (the context of the model unless given): the begin token, where the
model has one, before --max-tokens - 1 tokens of the file. Windows overlap by half, and every token is predicted once, all
but those of the first window with at least half a window before them. A token that nothing predicts, the first one of a
model without a begin token, counts in no figure. Bits per byte divides by the UTF-8 bytes of the whole text. Perplexity and
accuracy are per token of the model's own vocabulary: compare them between models with the same tokenizer only, bits per
byte between all. Tokens/s counts every token each time that it is computed.`,
  'choose-heads': `QRHead (arXiv 2506.09944): the score of a head is its attention from the rows that predict the query to the gold passage,
less the same with "N/A" in place of the query's line, mean over the examples. In a file without labels the query is the
second occurrence of a word (without its first two characters), and the gold passage the line of the first. It says
where heads look, not what the model uses.`,
  ablate: `Without --what, convolutions and head mixing are replaced by the identity, one part after another, over the whole text.
With --what, heads, feed-forward parts or positions of any model are replaced by zeros or by their mean over the tokens up
to the row, and what counts is the prediction of the token at --at: the log2 probability of the target, or with --minus
the difference of two logits.`,
  explain: `Row t makes the prediction of token t + 1: the predicting row of the token at --at is the one before it, the reading row
its own. The logit is split exactly: logit = embedding + heads + mlps + other + remainder, where attention weights and norms
are held at their values. It says what was added to this logit directly, not what the model would do without it.`,
  context:
    'Weights are of the rows of the selected tokens themselves (the reading rows, which predict the tokens after them), or with\n' +
    '--row predicting of the rows before, which predict the selected tokens.\n' +
    '--layer, --head and --stage belong to --method head; --layer also to --heads layer.',
  heads: `Measures are means over all rows of a head's map. Row t is token t's own (its reading row) and makes the prediction of
token t + 1.`,
  lens: `Row t makes the prediction of token t + 1: the predicting row of the token at --at is the one before it, the reading row
its own.`,
  knockout: `Row t makes the prediction of token t + 1: the predicting row of the token at --at is the one before it, the reading row
its own. Edges from all rows after the keys are cut, unless --queries names others.`,
  patch: `Row t makes the prediction of token t + 1: the predicting row of the token at --at is the one before it, the reading row
its own. What counts is the prediction at that row.`,
  generate: `The row of the last token before --at makes the prediction of the first token, its own row that of the next, and so on.`,
  analyze: `Row t of a map is token t's own (its reading row) and makes the prediction of token t + 1: what predicts token t is in
row t - 1. A query is a row.`,
  export: `Row t of a map is token t's own (its reading row) and makes the prediction of token t + 1: what predicts token t is in
row t - 1. A query is a row.`,
  search:
    'Weights are of the rows of the selected tokens themselves (the reading rows, which predict the tokens after them), or with\n' +
    '--row predicting of the rows before, which predict the selected tokens.\n' +
    '--layer, --head and --stage belong to --method head; --layer also to --heads layer.',
};
