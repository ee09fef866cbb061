/** `mta-inspect`: the engine without an editor, so that figures can be reproduced in scripts. Usage: see `usage`. */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { analyzeJson } from '../export/mapText';
import type { ProviderSetting } from '../shared/analysis';
import { type Stage, stages } from '../shared/attentionMap';
import { mapMethods } from '../shared/documentSearch';
import { exportFormats } from '../shared/panel/exportFormats';
import { occlusionModes, relevanceMethods } from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import { ablateJson, ablateText } from './ablate';
import { analyzeText } from './analyze';
import { runBench } from './bench';
import { contextJson, contextText } from './context';
import { analyzeFile, chooseMap, loadEngine, readText, sourceOf } from './document';
import { type Evaluation, evaluateText, formatEvaluation, totalEvaluation } from './evaluate';
import { exportDocument } from './export';
import { type GoldenOptions, runGoldenCase } from './golden';
import { listGoldenCases, readGoldenCase } from './goldenCase';
import { headsJson, headsText, measureNames } from './heads';
import { mapJson, mapText } from './map';
import { resolveModel } from './modelPaths';
import { formatModel, listModels } from './models';
import { exportRepository } from './repository';
import { evaluateToy, generateToySamples, toyAnswers } from './toy';

const usage = `mta-inspect: see how a Multi-Token Attention model finds its context

  mta-inspect analyze FILE [--model NAME|DIR] [--layer L --head H --stage STAGE] [--top K] [--json OUT]
  mta-inspect export  FILE [--model NAME|DIR] --format npz|csv|json|html|png|svg --out OUT [--layer L --head H --stage STAGE]
  mta-inspect context FILE [--model NAME|DIR] --at OFFSET [--to OFFSET] | --question TEXT [--method METHOD --heads HEADS]
                      [--direction attends|attendedBy] [--occlude replace|remove] [--json OUT]
  mta-inspect map     FILE [--model NAME|DIR] --at OFFSET [--to OFFSET] | --question TEXT [--method head|mean|max
                      --heads HEADS] [--max-tokens N] [--json OUT]
  mta-inspect ablate  FILE [--model NAME|DIR] [--parts-only] [--json OUT]
  mta-inspect heads   FILE [--model NAME|DIR] [--by MEASURE] [--json OUT]
  mta-inspect eval    FILE... [--model NAME|DIR] [--json OUT]
  mta-inspect toy     [--model NAME|DIR] [--block-length N --answer all|first|last] [--samples N] [--seed N] [--json OUT]
  mta-inspect golden  DIR [--provider cpu|webgpu] [--dtype fp32|fp16] [--rows N] [--only PREFIX …]
  mta-inspect bench   [--model NAME|DIR] [--provider webgpu|cuda|dml|coreml] [--json OUT]
  mta-inspect models  [--json]
  mta-inspect export-repository [--model NAME|DIR] --out DIR     what Triton, KServe, MLServer and models/serving serve

  STAGE: ${stages.join(' | ')}
  METHOD: ${relevanceMethods.join(' | ')}; HEADS: layer, all, or a list such as 2.0,3.*
  MEASURE: ${[...measureNames.keys()].join(' | ')}
  analyze, export, ablate, heads and context also take --max-tokens N, --at OFFSET (a place the window must contain) or
  --window-start OFFSET (where it begins), and --provider.
  Whatever takes --model NAME also takes --remote URL [--model SERVED], a server of the Open Inference Protocol v2:
  http(s):// for REST, grpc(s):// for gRPC; MTA_INSPECTOR_TOKEN holds its token, MTA_INSPECTOR_CA a certificate authority.
  OUT may be - for standard output. --provider is cpu where it is not given, so that figures can be reproduced.
`;

const providers: readonly ProviderSetting[] = ['auto', 'cpu', 'webgpu', 'cuda', 'dml', 'coreml'];

const options = {
  model: { type: 'string' },
  layer: { type: 'string' },
  head: { type: 'string' },
  stage: { type: 'string' },
  top: { type: 'string' },
  'max-tokens': { type: 'string' },
  at: { type: 'string' },
  'window-start': { type: 'string' },
  provider: { type: 'string' },
  remote: { type: 'string' },
  dtype: { type: 'string' },
  'block-length': { type: 'string' },
  answer: { type: 'string' },
  samples: { type: 'string' },
  seed: { type: 'string' },
  only: { type: 'string', multiple: true },
  rows: { type: 'string' },
  format: { type: 'string' },
  out: { type: 'string' },
  by: { type: 'string' },
  'parts-only': { type: 'boolean' },
  to: { type: 'string' },
  question: { type: 'string' },
  method: { type: 'string' },
  heads: { type: 'string' },
  direction: { type: 'string' },
  occlude: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** The seed of the samples that the model cards report on. */
const toySeed = 1_000_003;

class UsageError extends Error {}

type Arguments = ReturnType<typeof readArguments>;

/** `models --json` takes no value, `analyze --json OUT` does. */
function readArguments(args: readonly string[]) {
  const isFlag = args[0] === 'models';
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...options, json: { type: isFlag ? 'boolean' : 'string' } },
  });
}

const commands: Readonly<Record<string, (args: Arguments) => Promise<number>>> = {
  async analyze(args) {
    const document = await openDocument(args);
    const choice = chooseMap(document.engine, mapOptions(args));
    const json = await analyzeJson(sourceOf(document), choice, topK(args));
    if (!args.values.json) process.stdout.write(`${analyzeText(json)}\n`);
    return writeJson(args, json);
  },

  async export(args) {
    const format = oneOf('--format', args.values.format, exportFormats);
    const { out } = args.values;
    if (!out) throw new UsageError('export needs --out OUT');
    const document = await openDocument(args);
    write(out, await exportDocument(document, format, { ...mapOptions(args), topK: topK(args) }));
    return 0;
  },

  async context(args) {
    const { values } = args;
    if ((values.at === undefined) === (values.question === undefined)) {
      throw new UsageError('context needs either --at OFFSET or --question TEXT');
    }
    const direction = oneOf('--direction', values.direction ?? 'attends', ['attends', 'attendedBy'] as const);
    const occlude = values.occlude === undefined ? undefined : oneOf('--occlude', values.occlude, occlusionModes);
    if (occlude && direction === 'attendedBy') throw new UsageError('--occlude needs --direction attends');
    const json = await contextJson(onlyPositional(args, 'context needs one FILE'), {
      ...{ ...documentOptions(args), ...mapOptions(args), direction, occlude, question: values.question },
      method: oneOf('--method', values.method ?? 'mean', relevanceMethods),
      heads: values.heads ?? 'all',
      to: wholeNumber('--to', values.to),
    });
    if (!values.json) process.stdout.write(`${contextText(json)}\n`);
    return writeJson(args, json);
  },

  async map(args) {
    const { values } = args;
    if ((values.at === undefined) === (values.question === undefined)) {
      throw new UsageError('map needs either --at OFFSET or --question TEXT');
    }
    const { isTTY } = process.stderr;
    const json = await mapJson(onlyPositional(args, 'map needs one FILE'), {
      ...{ ...documentOptions(args), ...mapOptions(args), question: values.question },
      method: oneOf('--method', values.method ?? 'mean', mapMethods),
      heads: values.heads ?? 'all',
      to: wholeNumber('--to', values.to),
      onProgress: (done, total) => isTTY && process.stderr.write(`\r${done} of ${total} windows `),
    });
    if (isTTY) process.stderr.write('\n');
    if (!values.json) process.stdout.write(`${mapText(json)}\n`);
    return writeJson(args, json);
  },

  async ablate(args) {
    const json = await ablateJson(await openDocument(args), args.values['parts-only'] !== true);
    if (!args.values.json) process.stdout.write(`${ablateText(json)}\n`);
    return writeJson(args, json);
  },

  async heads(args) {
    const by = oneOf('--by', args.values.by ?? 'context_score', [...measureNames.keys()]);
    const json = await headsJson(await openDocument(args), measureNames.get(by)!);
    if (!args.values.json) process.stdout.write(`${headsText(json)}\n`);
    return writeJson(args, json);
  },

  async eval(args) {
    const files = args.positionals.slice(1);
    if (files.length === 0) throw new UsageError('eval needs at least one FILE');
    const engine = await loadEngine(engineChoice(args));
    const maxTokens = wholeNumber('--max-tokens', args.values['max-tokens'], 2) ?? engine.model.maxSeqlen;
    const results: Evaluation[] = [];
    for (const file of files) {
      const text = readText(file);
      if (text === '') throw new Failure('empty', `Cannot evaluate ${file}: it is empty.`);
      results.push(await evaluateText(engine, file, text, Math.min(maxTokens, engine.model.maxSeqlen)));
      if (args.values.json !== '-') process.stdout.write(`${formatEvaluation(results.at(-1)!)}\n`);
    }
    const total = totalEvaluation(results);
    if (files.length > 1 && args.values.json !== '-') process.stdout.write(`${formatEvaluation(total)}\n`);
    return writeJson(args, { format: 'mta-eval-1', model: engine.model.name, files: results, total });
  },

  async toy(args) {
    const { values } = args;
    const blockLength = wholeNumber('--block-length', values['block-length'], 2) ?? 5;
    if (blockLength > 26) throw new UsageError(`--block-length is ${blockLength}, expected at most 26`);
    const task = { blockLength, queryLength: 2, answer: oneOf('--answer', values.answer ?? 'all', toyAnswers) };
    const seed = wholeNumber('--seed', values.seed) ?? toySeed;
    const { samples, nCut } = generateToySamples(task, wholeNumber('--samples', values.samples, 1) ?? 1000, seed);
    const engine = await loadEngine(engineChoice(args));
    const errors = await evaluateToy(engine, samples);
    if (values.json !== '-') {
      process.stdout.write(
        `${engine.model.name}: ${errors.sample_error_percent.toFixed(2)} % of ${errors.samples} samples wrong, ` +
          `${errors.token_error_percent.toFixed(2)} % of tokens; ${nCut} samples left out because their target was cut\n`,
      );
    }
    return writeJson(args, {
      format: 'mta-toy-1',
      model: engine.model.name,
      ...task,
      seed,
      left_out_cut: nCut,
      ...errors,
    });
  },

  async golden(args) {
    const directory = onlyPositional(args, 'golden needs one DIR');
    const dtype = oneOf('--dtype', args.values.dtype ?? 'fp32', ['fp32', 'fp16'] as const);
    const executionProvider = oneOf('--provider', args.values.provider ?? 'cpu', ['cpu', 'webgpu', 'cuda'] as const);
    const nRows = wholeNumber('--rows', args.values.rows, 1);
    const prefixes = args.values.only ?? [''];
    const names = listGoldenCases(directory).filter(name => prefixes.some(prefix => name.startsWith(prefix)));
    let [nPassed, nFailed] = [0, 0];
    for (const name of names) {
      const line = await goldenLine(directory, name, { provider: executionProvider, dtype, nRows });
      if (line.status === 'passed') nPassed++;
      if (line.status === 'failed') nFailed++;
      process.stdout.write(`${line.text}\n`);
    }
    process.stdout.write(`${nPassed} passed, ${nFailed} failed\n`);
    return nFailed === 0 && nPassed > 0 ? 0 : 1;
  },

  async bench(args) {
    const given = args.values.provider;
    const gpu = given && oneOf('--provider', given, ['webgpu', 'cuda', 'dml', 'coreml'] as const);
    return writeJson(
      args,
      await runBench(args.values.model, gpu || undefined, line => process.stdout.write(`${line}\n`)),
    );
  },

  async 'export-repository'(args) {
    const { model, out } = args.values;
    if (!out || args.positionals.length > 1) throw new UsageError('export-repository needs --out DIR and no FILE');
    process.stdout.write(`${await exportRepository(resolveModel(model), out)}\n`);
    return 0;
  },

  async models(args) {
    const models = await listModels();
    const text = args.values.json ? JSON.stringify({ models }, null, 2) : models.map(formatModel).join('\n');
    process.stdout.write(`${text}\n`);
    return 0;
  },
};

async function main(argv: readonly string[]): Promise<number> {
  try {
    const args = readArguments(argv);
    const name = args.positionals[0];
    if (args.values.help) {
      process.stdout.write(usage);
      return 0;
    }
    const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!command) throw new UsageError(name ? `there is no command "${name}"` : 'a command is missing');
    return await command(args);
  } catch (error) {
    const isUsage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    const isOurs = isUsage || error instanceof Failure;
    process.stderr.write(`mta-inspect: ${isOurs ? (error as Error).message : ((error as Error).stack ?? error)}\n`);
    if (isUsage) process.stderr.write(`\n${usage}`);
    return isUsage || (error instanceof Failure && error.code === 'bad-usage') ? 2 : 1;
  }
}

async function goldenLine(directory: string, name: string, options: GoldenOptions) {
  try {
    const result = await runGoldenCase(readGoldenCase(directory, name), options);
    const numbers = result.status === 'not run' ? '' : `  ${result.worst.toExponential(1)}  ${result.worstTensor}`;
    return { status: result.status, text: `${result.status}  ${name}${numbers}${result.note && `  ${result.note}`}` };
  } catch (error) {
    return { status: 'failed' as const, text: `failed  ${name}  ${(error as Error).message}` };
  }
}

function openDocument(args: Arguments) {
  const file = onlyPositional(args, `${args.positionals[0]} needs one FILE`);
  return analyzeFile(file, { ...documentOptions(args), topK: topK(args) });
}

function documentOptions(args: Arguments) {
  const { values } = args;
  return {
    ...engineChoice(args),
    maxTokens: wholeNumber('--max-tokens', values['max-tokens'], 2),
    at: wholeNumber('--at', values.at) ?? 0,
    windowStart: wholeNumber('--window-start', values['window-start']),
  };
}

function engineChoice(args: Arguments) {
  const { model, remote } = args.values;
  if (remote !== undefined && args.values.provider !== undefined) {
    throw new UsageError('--remote and --provider exclude each other: the server chooses its own');
  }
  return { model, provider: provider(args, providers), remote };
}

function mapOptions({ values }: Arguments) {
  return {
    layer: wholeNumber('--layer', values.layer),
    head: wholeNumber('--head', values.head),
    stage: values.stage === undefined ? undefined : oneOf<Stage>('--stage', values.stage, stages),
  };
}

function topK({ values }: Arguments): number {
  return wholeNumber('--top', values.top, 1) ?? 16;
}

function provider<T extends string>({ values }: Arguments, allowed: readonly T[]): T {
  return oneOf('--provider', values.provider ?? 'cpu', allowed);
}

function onlyPositional({ positionals }: Arguments, problem: string): string {
  if (positionals.length !== 2) throw new UsageError(problem);
  return positionals[1]!;
}

function wholeNumber(name: string, value: string | undefined, least = 0): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,9}$/.test(value) || Number(value) < least) {
    throw new UsageError(`${name} is "${value}", expected a whole number from ${least}`);
  }
  return Number(value);
}

function oneOf<T extends string>(name: string, value: string | undefined, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) {
    throw new UsageError(
      `${name} is ${value === undefined ? 'missing' : `"${value}"`}, expected ${allowed.join(', ')}`,
    );
  }
  return value as T;
}

function writeJson({ values }: Arguments, json: unknown): number {
  if (typeof values.json === 'string') write(values.json, `${JSON.stringify(json, null, 1)}\n`);
  return 0;
}

function write(out: string, content: string | Uint8Array): void {
  if (out === '-') process.stdout.write(content);
  else writeFileSync(out, content);
}

// A reader that closes the pipe early (head) wants no more.
process.stdout.on('error', () => process.exit(0));
main(process.argv.slice(2)).then(code => {
  process.exitCode = code;
});
