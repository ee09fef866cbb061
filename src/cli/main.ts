/** `mta-inspect`: the engine without an editor, so that figures can be reproduced in scripts. See `syntax` in options.ts. */

import { existsSync, readFileSync, statSync } from 'node:fs';
import { analyzeJson } from '../export/mapText';
import { csvSidecar, factsFormat, factsJson } from '../export/source';
import { providerSettings, quantizedWeights } from '../shared/analysis';
import type { CellAddress } from '../shared/attribution';
import { searchMethods } from '../shared/documentSearch';
import { patchKinds } from '../shared/interventions';
import { type Stage, stages } from '../shared/operators';
import { exportFormats } from '../shared/panel/exportFormats';
import { occlusionModes, type Quantity, quantities, relevanceMethods, rowKinds } from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import { ablateJson, ablateText } from './ablate';
import { ablatePartsJson, ablatePartsText, replacements } from './ablateParts';
import { analyzeText } from './analyze';
import { runBench } from './bench';
import { shapeNames } from './benchShapes';
import { headOptionsProblem } from './chooseHeads';
import { completionScript, type Shell, shells } from './completion';
import { contextJson, contextText } from './context';
import { analyzeFile, chooseMap, loadEngine, sourceOf } from './document';
import { downloadModel } from './download';
import {
  type Evaluation,
  evaluateText,
  evaluationMethod,
  formatEvaluation,
  totalEvaluation,
  windowTokens,
} from './evaluate';
import { explainJson, explainText } from './explain';
import { chosenExport, exportDocument } from './export';
import { generateJson, generateText } from './generate';
import { type GoldenOptions, runGoldenCase } from './golden';
import { listGoldenCases, readGoldenCase } from './goldenCase';
import { headsJson, headsText, measureNames } from './heads';
import { type GivenRange, knockOutJson, knockOutText, type RangeUnit, rangeUnits } from './knockOut';
import { lensJson, lensText } from './logitLens';
import { resolveModel } from './modelPaths';
import { formatModel, foundText, listFoundModels, listModels } from './models';
import { type Arguments, type CommandName, commandIn, readArguments, shortUsageOf, UsageError, usage } from './options';
import { checkFolderOutput, checkOutput, isOutputCut, print, report, writeOutput } from './output';
import { patchJson, patchText } from './patch';
import { known, readDocument } from './readDocument';
import { exportRepository } from './repository';
import { chosenHeadsJson, chosenHeadsText } from './retrievalHeads';
import { searchJson, searchText } from './search';
import type { TargetChoice } from './targets';
import { jsonText, oneLine } from './terminal';
import { evaluateToy, generateToySamples, toyAnswers } from './toy';

/** The seed of the samples that the model cards report on. */
const toySeed = 1_000_003;

const commands: Readonly<Record<CommandName, (args: Arguments) => Promise<number>>> = {
  async analyze(args) {
    const document = await openDocument(args);
    const choice = chooseMap(document.engine, mapOptions(args));
    const json = await analyzeJson(sourceOf(document), choice, topK(args));
    if (!args.values.json) await print(analyzeText(json));
    return writeJson(args, json);
  },

  async export(args) {
    const { values } = args;
    const format = oneOf('--format', values.format, exportFormats);
    if (!values.out) throw new UsageError('export needs --out OUT');
    if (values.top !== undefined && format !== 'json')
      throw new UsageError(`--top needs --format json, found ${format}`);
    const isPicture = format === 'png' || format === 'svg';
    if (values['all-stages'] && !isPicture) {
      throw new UsageError(`--all-stages needs --format png or svg, found ${format}`);
    }
    if ((values.queries ?? values.keys) !== undefined && !isPicture && format !== 'csv') {
      throw new UsageError(`--queries and --keys need --format png, svg or csv, found ${format}`);
    }
    if (values.bom && format !== 'csv') throw new UsageError(`--bom needs --format csv, found ${format}`);
    if (values.out === '-' && format !== 'json' && process.stdout.isTTY) {
      throw new UsageError(`--out - would write ${format} to the terminal: name a file, or pipe it on`);
    }
    if (format === 'csv' && values.out !== '-') checkSidecar(csvSidecar(values.out));
    const document = await openDocument(args);
    const unit = oneOf('--unit', values.unit ?? 'offsets', rangeUnits);
    const options = {
      ...{ ...mapOptions(args), topK: topK(args), hasByteOrderMark: values.bom === true, unit },
      queries: oneRange('--queries', values.queries, unit),
      keys: oneRange('--keys', values.keys, unit),
      isAllStages: values['all-stages'] === true,
    };
    await writeOutput(values.out, await exportDocument(document, format, options));
    if (format === 'csv' && values.out !== '-') {
      const facts = factsJson(sourceOf(document), chosenExport(document, options));
      await writeOutput(csvSidecar(values.out), `${jsonText(facts, 1)}\n`);
    }
    return 0;
  },

  async context(args) {
    const { values } = args;
    const direction = oneOf('--direction', values.direction ?? 'attends', ['attends', 'attendedBy'] as const);
    const isVerified = values.verify === true;
    const mode = values.occlude ?? (isVerified ? 'replace' : undefined);
    const occlude = mode === undefined ? undefined : oneOf('--occlude', mode, occlusionModes);
    if (occlude && direction === 'attendedBy') {
      throw new UsageError(`--${isVerified ? 'verify' : 'occlude'} needs --direction attends`);
    }
    const row = oneOf('--row', values.row ?? 'reading', rowKinds);
    if (row === 'predicting' && direction === 'attendedBy')
      throw new UsageError('--row predicting needs --direction attends');
    const json = await contextJson(args.positionals[0]!, {
      ...documentOptions(args),
      ...selectionOptions(args, relevanceMethods),
      ...{ direction, occlude, isVerified, row, quantity: quantityOption(args) },
    });
    if (!values.json) await print(contextText(json));
    return writeJson(args, json);
  },

  async search(args) {
    const { isTTY } = process.stderr;
    const json = await searchJson(args.positionals[0]!, {
      ...documentOptions(args),
      ...selectionOptions(args, searchMethods),
      row: oneOf('--row', args.values.row ?? 'reading', rowKinds),
      onProgress: (done, total) => isTTY && process.stderr.write(`\r${done} of ${total} ranges `),
    });
    if (isTTY) process.stderr.write('\n');
    if (!args.values.json) await print(searchText(json));
    return writeJson(args, json);
  },

  async ablate(args) {
    const { values } = args;
    if (values.what !== undefined || values.with !== undefined) {
      if (values['parts-only']) throw new UsageError('--parts-only and --what exclude each other');
      const what = oneOf('--what', values.what, patchKinds);
      const replacement = oneOf('--with', values.with, replacements);
      const { at } = placeOptions(args);
      const { row, target } = questionOptions(args);
      const options = { at, row, target, minus: wholeNumber('--minus', values.minus), what, replacement };
      const json = await ablatePartsJson(await openDocument(args, true), options);
      if (!values.json) await print(ablatePartsText(json));
      return writeJson(args, json);
    }
    for (const name of ['row', 'target', 'minus'] as const) {
      if (values[name] !== undefined) throw new UsageError(`--${name} needs --what and --with`);
    }
    const json = await ablateJson(await openDocument(args), args.values['parts-only'] !== true);
    if (!args.values.json) await print(ablateText(json));
    return writeJson(args, json);
  },

  async explain(args) {
    const { values } = args;
    const { at } = placeOptions(args);
    const { row, target } = questionOptions(args);
    const options = {
      ...{ at, row, target },
      ...{ minus: wholeNumber('--minus', values.minus), hasCells: values.cells === true },
      split: values.cell === undefined ? [] : cellAddresses(values.cell),
    };
    const json = await explainJson(await openDocument(args, true), options);
    if (!values.json) await print(explainText(json));
    return writeJson(args, json);
  },

  async lens(args) {
    const place = placeOptions(args);
    const json = await lensJson(await openDocument(args, true), { ...place, ...questionOptions(args) });
    if (!args.values.json) await print(lensText(json));
    return writeJson(args, json);
  },

  async knockout(args) {
    const { values } = args;
    const place = placeOptions(args);
    if (!values.keys) throw new UsageError('knockout needs --keys FROM:TO');
    if (values.layers !== undefined && values.heads !== undefined) {
      throw new UsageError('--layers and --heads exclude each other: heads name their layers');
    }
    const unit = oneOf('--unit', values.unit ?? 'offsets', rangeUnits);
    const options = {
      ...{ unit, isEach: values.each === true, heads: values.heads },
      keys: ranges('--keys', values.keys, unit),
      queries:
        values.queries === 'selected'
          ? ('selected' as const)
          : values.queries && ranges('--queries', values.queries, unit),
      layers: values.layers === undefined ? undefined : ranges('--layers', values.layers),
    };
    const json = await knockOutJson(await openDocument(args, true), {
      ...{ ...place, ...questionOptions(args), ...options },
      queries: options.queries || undefined,
    });
    if (!values.json) await print(knockOutText(json));
    return writeJson(args, json);
  },

  async patch(args) {
    const { values } = args;
    const { at } = placeOptions(args);
    const { row, target } = questionOptions(args);
    const minus = wholeNumber('--minus', values.minus);
    if (values.target === undefined || minus === undefined)
      throw new UsageError('patch needs --target ID and --minus ID');
    const what = oneOf('--what', values.what, patchKinds);
    const [clean, corrupted] = args.positionals;
    const options = {
      ...documentOptions(args),
      at,
      row,
      target,
      minus,
      what,
      topK: 1,
      isAligned: values.align === true,
    };
    const json = await patchJson(clean!, corrupted!, options);
    if (!values.json) await print(patchText(json));
    return writeJson(args, json);
  },

  async generate(args) {
    const { values } = args;
    const chat = values.chat === true ? { system: values.system } : null;
    if (!chat && values.system !== undefined) throw new UsageError('--system needs --chat');
    const at = chat && values.at === undefined ? undefined : placeOptions(args).at;
    const nTokens = wholeNumber('--tokens', values.tokens, 1);
    if (nTokens === undefined) throw new UsageError('generate needs --tokens N');
    const json = await generateJson(args.positionals[0]!, {
      ...{ ...engineChoice(args), encoding: encoding(args), at, nTokens },
      maxTokens: wholeNumber('--max-tokens', values['max-tokens'], 2),
      seed: wholeNumber('--seed', values.seed) ?? 0,
      temperature: realNumber('--temperature', values.temperature, 0, 100) ?? 0,
      topP: realNumber('--top-p', values['top-p'], 0, 1) ?? 1,
      instead: values.instead ?? '',
      chat,
      topK: wholeNumber('--top', values.top, 1) ?? 5,
      nBranches: wholeNumber('--branches', values.branches, 1) ?? 0,
    });
    if (!values.json) await print(generateText(json));
    return writeJson(args, json);
  },

  async heads(args) {
    const by = oneOf('--by', args.values.by ?? 'context_score', [...measureNames.keys()]);
    const json = await headsJson(await openDocument(args), measureNames.get(by)!, quantityOption(args));
    if (!args.values.json) await print(headsText(json));
    return writeJson(args, json);
  },

  async 'choose-heads'(args) {
    const { values } = args;
    const json = await chosenHeadsJson(args.positionals[0]!, {
      ...{ ...engineChoice(args), encoding: encoding(args), labels: values.labels },
      count: wholeNumber('--count', values.count, 1),
    });
    if (!values.json) await print(chosenHeadsText(json));
    return writeJson(args, json);
  },

  async eval(args) {
    const { values } = args;
    const files = args.positionals;
    const texts = files.map(file => readDocument(file, encoding(args)).text);
    const engine = await loadEngine(engineChoice(args));
    const maxTokens = windowTokens(engine, wholeNumber('--max-tokens', values['max-tokens'], 2));
    const results: Evaluation[] = [];
    for (const [i, file] of files.entries()) {
      results.push(await evaluateText(engine, file, texts[i]!, maxTokens));
      if (values.json !== '-') await print(formatEvaluation(results.at(-1)!));
    }
    const total = totalEvaluation(results);
    if (files.length > 1 && values.json !== '-') await print(formatEvaluation(total));
    const method = evaluationMethod(engine, maxTokens);
    return writeJson(args, { format: 'mta-eval-1', model: engine.model.name, method, files: results, total });
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
      await print(
        `${oneLine(engine.model.name)}: ${errors.sample_error_percent.toFixed(2)} % of ${errors.samples} samples wrong, ` +
          `${errors.token_error_percent.toFixed(2)} % of tokens; ${nCut} samples left out because their target was cut`,
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
    const directory = args.positionals[0]!;
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
      await print(oneLine(line.text));
    }
    await print(`${nPassed} passed, ${nFailed} failed`);
    return nFailed === 0 && nPassed > 0 ? 0 : 1;
  },

  async bench(args) {
    const given = args.values.provider;
    const providers = ['webgpu', 'cuda', 'dml', 'coreml', ...(args.values.shapes ? (['cpu'] as const) : [])] as const;
    const gpu = given && oneOf('--provider', given, providers);
    const { only = [''], shapes } = args.values;
    if (!shapes && args.values.only) throw new UsageError('--only needs --shapes');
    const chosen = shapeNames.filter(name => only.some(prefix => name.startsWith(prefix)));
    if (chosen.length === 0) {
      throw new UsageError(`--only must begin one of ${shapeNames.join(', ')}, found ${only.join(', ')}`);
    }
    // The JSON has standard output for itself.
    const say = (line: string) => (args.values.json === '-' ? report(line) : void print(line));
    return writeJson(args, await runBench(args.values.model, gpu || undefined, shapes ? chosen : undefined, say));
  },

  async 'export-repository'({ values }) {
    if (!values.out) throw new UsageError('export-repository needs --out DIR');
    checkFolderOutput(values.out);
    await print(await exportRepository(await resolveModel(values.model), values.out));
    return 0;
  },

  async download({ positionals, values: { revision, gguf } }) {
    await print(await downloadModel(positionals[0]!, { revision, gguf }, async line => report(line)));
    return 0;
  },

  async completion({ positionals }) {
    await print(completionScript(oneOf<Shell>('SHELL', positionals[0], shells)));
    return 0;
  },

  async models({ values }) {
    const models = await listModels();
    const found = await listFoundModels();
    if (values.json) await print(jsonText({ models, found }, 2));
    else await print([...models.map(formatModel), ...foundText(found)].join('\n'));
    return 0;
  },
};

/** Runs one command. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const args = readArguments(argv);
    if ('help' in args) {
      await print(args.help.trimEnd());
      return 0;
    }
    const { command, values } = args;
    const { json, out, model, labels } = values;
    const inputs = [...args.positionals, model, labels, values['heads-file']].filter(name => name !== undefined);
    if (typeof json === 'string') checkOutput('--json', json, inputs);
    if (out && command === 'export') checkOutput('--out', out, inputs);
    return await commands[command](args);
  } catch (error) {
    return failed(error, argv);
  }
}

/** Says what went wrong. @returns the exit code */
function failed(error: unknown, argv: readonly string[]): number {
  const { message, code, stack } = error as Error & { code?: string };
  const isUsage = error instanceof UsageError;
  report(`mta-inspect: ${oneLine(message ?? String(error))}`);
  const { command } = commandIn(argv);
  if (isUsage) report(`\n${command ? shortUsageOf(command) : usage.trimEnd()}`);
  else if (!(error instanceof Failure)) report('This is a fault of the program. MTA_INSPECTOR_STACK=1 shows where.');
  if (process.env['MTA_INSPECTOR_STACK'] && stack) report(stack);
  return isUsage || code === 'bad-usage' ? 2 : 1;
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

/** @param hasPlace --at is a place that the command asks about, in a window that --window-start may choose. */
function openDocument(args: Arguments, hasPlace = false) {
  const { values } = args;
  if (!hasPlace && values.at !== undefined && values['window-start'] !== undefined) {
    throw new UsageError(
      '--at and --window-start exclude each other: one says what the window contains, the other where it begins',
    );
  }
  const options = { ...documentOptions(args), topK: topK(args) };
  mapOptions(args);
  return analyzeFile(args.positionals[0]!, options);
}

function documentOptions(args: Arguments) {
  const { values } = args;
  return {
    ...engineChoice(args),
    encoding: encoding(args),
    maxTokens: wholeNumber('--max-tokens', values['max-tokens'], 2),
    at: wholeNumber('--at', values.at) ?? 0,
    windowStart: wholeNumber('--window-start', values['window-start']),
  };
}

/** A place that a command needs. @throws UsageError without it */
function placeOptions({ values, command }: Arguments): { readonly at: number; readonly to: number | undefined } {
  const at = wholeNumber('--at', values.at);
  if (at === undefined) throw new UsageError(`${command} needs --at OFFSET`);
  const to = wholeNumber('--to', values.to);
  if (to !== undefined && to <= at) throw new UsageError(`--to is ${to}, expected more than --at, which is ${at}`);
  return { at, to };
}

/** LAYER.HEAD:TOKEN[,…]. */
function cellAddresses(text: string): CellAddress[] {
  return text.split(',').map(part => {
    const match = /^\s*(\d{1,6})\.(\d{1,6}):(\d{1,9})\s*$/.exec(part);
    if (!match) throw new UsageError(`--cell has "${part}", expected LAYER.HEAD:TOKEN such as 2.0:17`);
    const [layerIdx, headIdx, keyIdx] = match.slice(1).map(Number) as [number, number, number];
    return { layerIdx, headIdx, keyIdx };
  });
}

/** What is asked about the selected tokens. */
function questionOptions({ values }: Arguments) {
  return {
    row: oneOf('--row', values.row ?? 'predicting', rowKinds),
    target: targetChoice(values.target ?? 'actual'),
    topK: wholeNumber('--top', values.top, 1) ?? 5,
  };
}

/** FROM:TO[,…] or single numbers; TO is exclusive. @param unit lines count from 1. */
function ranges(name: string, list: string, unit?: RangeUnit): GivenRange[] {
  return list.split(',').map(part => {
    const [, from, to] = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(part.trim()) ?? [];
    const range = { from: Number(from), to: to === undefined ? Number(from) + 1 : Number(to) };
    if (from === undefined || range.to <= range.from) {
      throw new UsageError(`${name} has "${part}", expected FROM:TO with TO after FROM`);
    }
    if (unit === 'lines' && range.from < 1) throw new UsageError(`${name} has "${part}", lines count from 1`);
    return range;
  });
}

/** One FROM:TO. */
function oneRange(name: string, list: string | undefined, unit: RangeUnit): GivenRange | undefined {
  const [range, ...more] = list === undefined ? [] : ranges(name, list, unit);
  if (more.length > 0) throw new UsageError(`${name} is "${list}", expected one FROM:TO`);
  return range;
}

function realNumber(name: string, value: string | undefined, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!/^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) || !(number >= least && number <= most)) {
    throw new UsageError(`${name} is "${value}", expected a number from ${least} to ${most}`);
  }
  return number;
}

/** @throws UsageError for a quantity beside a stage, of which it is not. */
function quantityOption({ values }: Arguments): Quantity {
  const quantity = oneOf('--quantity', values.quantity ?? 'weight', quantities);
  if (quantity === 'weight' || values.stage === undefined) return quantity;
  throw new UsageError(`--quantity ${quantity} is of the last stage of each layer: leave --stage out`);
}

function targetChoice(target: string): TargetChoice {
  if (target === 'actual' || target === 'predicted') return target;
  if (/^\d{1,9}$/.test(target)) return Number(target);
  throw new UsageError(`--target is "${target}", expected actual, predicted or a token id`);
}

/** What a relevance is of. @throws UsageError for options that do not go together */
function selectionOptions<M extends string>(args: Arguments, methods: readonly M[]) {
  const { values, command } = args;
  if ((values.at === undefined) === (values.question === undefined)) {
    throw new UsageError(`${command} needs either --at OFFSET or --question TEXT`);
  }
  if (values.to !== undefined && values.at === undefined) throw new UsageError('--to needs --at');
  const to = wholeNumber('--to', values.to);
  const at = wholeNumber('--at', values.at) ?? 0;
  if (to !== undefined && to <= at) throw new UsageError(`--to is ${to}, expected more than --at, which is ${at}`);
  const method = oneOf('--method', values.method ?? 'mean', methods);
  const heads = {
    method: method as M & (typeof relevanceMethods)[number],
    heads: values.heads,
    headsFile: values['heads-file'],
    ...mapOptions(args),
  };
  const problem = headOptionsProblem(heads);
  if (problem) throw new UsageError(problem);
  return { ...heads, to, question: values.question };
}

function engineChoice(args: Arguments) {
  const { model, remote, provider } = args.values;
  if (remote !== undefined && provider !== undefined) {
    throw new UsageError('--remote and --provider exclude each other: the server chooses its own');
  }
  if (remote !== undefined && args.values['quantized-weights'] !== undefined) {
    throw new UsageError('--remote and --quantized-weights exclude each other: the weights are on the server');
  }
  const quantized = oneOf('--quantized-weights', args.values['quantized-weights'] ?? 'packed', quantizedWeights);
  return {
    model,
    provider: oneOf('--provider', provider ?? 'cpu', providerSettings),
    quantizedWeights: quantized,
    remote,
  };
}

/** The file with the facts of a CSV file has a name that nobody chose: it replaces its like only. */
function checkSidecar(path: string): void {
  checkOutput('beside --out', path);
  if (!existsSync(path)) return;
  try {
    // A pipe would not answer, and facts are short.
    const stats = statSync(path);
    const isShort = stats.isFile() && stats.size < 1 << 20;
    if (isShort && JSON.parse(readFileSync(path, 'utf8')).format === factsFormat) return;
  } catch {}
  throw new Failure(
    'no-write',
    `Cannot write ${path}, the facts of the CSV file: another file is there. Name another --out.`,
  );
}

function encoding({ values }: Arguments): string | undefined {
  return values.encoding === undefined ? undefined : known(values.encoding);
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

function wholeNumber(name: string, value: string | undefined, least = 0): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,9}$/.test(value) || Number(value) < least) {
    const most = /^\d{10,}$/.test(value) ? ' to 999999999' : '';
    throw new UsageError(`${name} is "${value}", expected a whole number from ${least}${most}`);
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

async function writeJson({ values }: Arguments, json: unknown): Promise<number> {
  if (typeof values.json === 'string') await writeOutput(values.json, `${jsonText(json, 1)}\n`);
  return 0;
}

/** What a shell says of a program that a closed pipe ended. */
const closedPipe = 141;

async function runProgram(argv: readonly string[]): Promise<void> {
  const code = await main(argv);
  const hasFile = argv.some((argument, i) => argument === '--json' && argv[i + 1] !== '-');
  process.exitCode = code === 0 && isOutputCut() && !hasFile ? closedPipe : code;
}

// A program that requires this one, as tests do, calls `main` itself.
if (require.main === module) runProgram(process.argv.slice(2));
