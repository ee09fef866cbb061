/**
 * Opens an ONNX decoder that exposes its attention as outputs, to look at these only: nothing in the graph is changed.
 * What the file's names and shapes leave open is read from `NAME.onnx.json` beside it, or in a Hugging Face config.json.
 */

import { basename, dirname } from 'node:path';
import { attentionOutputs } from '../../../graph/attentionOutputs';
import { parseModelConfig } from '../../../graph/modelConfig';
import { TensorProto_DataType } from '../../../graph/onnx/onnx_pb';
import type { ModelSummary } from '../../../shared/analysis';
import { Failure, shown } from '../../../shared/tools/failure';
import { beginTokenOf } from '../../../tokenization/beginToken';
import { Tokenizer } from '../../../tokenization/tokenizer';
import { type FedInput, type FeedType, fedInputs, type ModelFolder, type OnnxView } from '../folder';
import { inside, readJson } from '../folderFiles';
import { withinTime } from '../withinTime';
import { type OnnxFile, type OnnxTensor, readOnnxFile } from './onnxFile';

const { FLOAT, FLOAT16, DOUBLE, INT32, INT64, BOOL } = TensorProto_DataType;
const feedTypes: ReadonlyMap<number, FeedType> = new Map([
  [INT64, 'int64'],
  [INT32, 'int32'],
  [FLOAT, 'float32'],
  [BOOL, 'bool'],
]);
const floatTypes: ReadonlySet<number> = new Set([FLOAT, FLOAT16, DOUBLE]);

/** Longest window where neither notes nor config.json have it. */
const usualContext = 1024;

/** @throws Failure naming the file and what is wrong with it. */
export async function openOnnxView(path: string): Promise<ModelFolder> {
  const [directory, file] = [dirname(path), basename(path)];
  const name = file.toLowerCase() === 'model.onnx' ? basename(directory) : file.replace(/\.onnx$/i, '');
  const fail = (what: string, todo: string) =>
    new Failure('bad-onnx', `Cannot look at ${file} of "${basename(directory)}": ${what}. ${todo}`, [
      'selectModel',
      'showLog',
    ]);
  await inside(directory, file);
  const onnx = readFile(path, fail);
  for (const external of onnx.externalFiles) {
    await inside(directory, external).catch((error: Failure) => {
      if (error.code === 'bad-model-file') throw error;
      throw fail(`its weights are in ${external}, which is missing`, 'Put that file beside it.');
    });
  }
  const tokenizerJson = await readJson(directory, 'tokenizer.json').catch((error: Failure) => {
    if (error.code !== 'no-model') throw error;
    throw fail('there is no tokenizer.json beside it', 'Copy the model’s tokenizer.json into its folder.');
  });
  const notes = await optionalJson(directory, `${file}.json`);
  const config = await optionalJson(directory, 'config.json');
  const context = notes['max_seqlen'] ?? config['max_position_embeddings'] ?? config['n_positions'] ?? undefined;
  const view = {
    ...{ path, inputs: inputsOf(onnx, fail), isContextKnown: context !== undefined },
    ...outputsOf(onnx, notes, `${file}.json`, fail),
  };
  const output = (name: string) => onnx.outputs.find(tensor => tensor.name === name)!;
  const size = (what: string, ...candidates: readonly unknown[]) => {
    const found = candidates.find(value => value !== undefined && value !== null && typeof value !== 'string');
    if (found !== undefined) return found;
    throw fail(`neither it nor config.json has ${what}`, `Write {"${what}": …} into ${file}.json beside it.`);
  };
  const heads = view.attentions.map(attention => output(attention).dims?.[1]);
  const fixedHeads = heads.find(count => typeof count === 'number');
  const tokenizer = () => new Tokenizer(tokenizerJson, name, withinTime).maxId + 1;
  const logitsSize = view.logits === null ? undefined : output(view.logits).dims?.at(-1);
  const nHeads = size('n_heads', notes['n_heads'], fixedHeads, config['num_attention_heads'], config['n_head']);
  const nLayers = view.attentions.length;
  const nExpected = config['num_hidden_layers'] ?? config['n_layer'] ?? config['num_layers'];
  if (notes['attentions'] === undefined && typeof nExpected === 'number' && nExpected !== nLayers) {
    throw fail(
      `its outputs ${view.attentions.join(', ')} are the attention of ${nLayers} layers, config.json says ${nExpected}`,
      `Name the outputs in ${file}.json: {"attentions": ["of layer 0", …]}.`,
    );
  }
  const parsed = parseModelConfig(
    {
      ...{ name, n_layers: nLayers, n_heads: nHeads, dim: 2, head_dim: 2, hidden_dim: 1 },
      vocab_size: typeof logitsSize === 'number' ? logitsSize : (config['vocab_size'] ?? tokenizer()),
      max_seqlen: context ?? usualContext,
      bos_token_id: beginTokenOf(tokenizerJson),
    },
    `what is known of ${file} of "${basename(directory)}" (its shapes, ${file}.json, config.json)`,
  );
  const other = heads.find(count => typeof count === 'number' && count !== parsed.n_heads);
  if (other !== undefined) {
    throw fail(
      `a layer of it has ${other} heads and another ${parsed.n_heads}`,
      'Layers must have the same number of heads.',
    );
  }
  return {
    directory: path,
    weightFolder: directory,
    config: parsed,
    configJson: {},
    tokenizerJson,
    weights: () => {
      throw new Failure('viewer', `${file} is view-only: its weights cannot be used. Pick another model.`, [
        'selectModel',
      ]);
    },
    inMemory: async () => new Map(),
    sizeBytes: onnx.sizeBytes,
    view,
    summary: summarizeView(path, name, parsed, onnx.nParameters, view.logits !== null),
  };
}

type Fail = (what: string, todo: string) => Failure;
type Json = Readonly<Record<string, unknown>>;

function readFile(path: string, fail: Fail): OnnxFile {
  try {
    return readOnnxFile(path);
  } catch (error) {
    throw fail((error as Error).message.replace(/\.$/, ''), 'Export it again.');
  }
}

async function optionalJson(directory: string, name: string): Promise<Json> {
  const json = await readJson(directory, name).catch((error: Failure) => {
    if (error.code === 'no-model' || error.code === 'pickled') return {};
    throw error;
  });
  return typeof json === 'object' && json !== null ? (json as Json) : {};
}

/** Inputs as they are to be fed: one window of any length, without a cache of earlier ones. */
function inputsOf({ inputs }: OnnxFile, fail: Fail): OnnxView['inputs'] {
  if (!inputs.some(({ name }) => name === 'input_ids')) {
    throw fail(`it has no input input_ids; its inputs are ${listOf(inputs)}`, 'Export it with this name.');
  }
  return inputs.map(({ name, type, dims }) => {
    if (!(fedInputs as readonly string[]).includes(name)) {
      throw fail(
        `it asks for the input ${name}, and only ${fedInputs.join(', ')} can be filled`,
        'Export it without a cache of keys and values.',
      );
    }
    const feedType = feedTypes.get(type);
    if (!feedType) throw fail(`its input ${name} is of type ${TensorProto_DataType[type]}`, 'Export it with int64.');
    const [batch, length] = dims ?? ['', ''];
    const isWindow = dims === null || (dims.length === 2 && (batch === 1 || typeof batch === 'string'));
    if (!isWindow)
      throw fail(`its input ${name} is ${shapeOf(dims)}, expected batch×tokens`, 'Export it for a batch of 1.');
    if (typeof length === 'number') {
      throw fail(
        `its input ${name} has the fixed length ${length}`,
        'Export it with dynamic axes: texts have any length.',
      );
    }
    return { name: name as FedInput, type: feedType };
  });
}

/** Outputs named in the notes, else recognized by their names. */
function outputsOf(
  { outputs }: OnnxFile,
  notes: Json,
  notesName: string,
  fail: Fail,
): Pick<OnnxView, 'attentions' | 'logits'> {
  const todo =
    `Export it with output_attentions, or name the outputs in ${notesName}: ` +
    '{"attentions": ["of layer 0", …], "logits": "…"}.';
  const found = `Its outputs are ${listOf(outputs)}`;
  const named = (value: unknown, key: string): string => {
    if (typeof value === 'string' && outputs.some(({ name }) => name === value)) return value;
    throw fail(`${notesName} names ${shown(value)} under ${key}, which is not an output`, `${found}.`);
  };
  const listed = notes['attentions'];
  if (listed !== undefined && !(Array.isArray(listed) && listed.length > 0)) {
    throw fail(`attentions in ${notesName} is ${shown(listed)}, expected a list of outputs`, `${found}.`);
  }
  const isMap = ({ dims }: OnnxTensor) => dims === null || dims.length === 4;
  const attentions =
    listed === undefined
      ? attentionOutputs(
          outputs.filter(isMap).map(({ name }) => name),
          outputs.filter(output => !isMap(output)).map(({ name }) => name),
        )
      : (listed as unknown[]).map(value => named(value, 'attentions'));
  if ('why' in attentions) throw fail(`${attentions.why}. ${found}`, todo);
  const isFloat = (name: string) => floatTypes.has(outputs.find(tensor => tensor.name === name)!.type);
  const wrong = attentions.find(name => !isFloat(name));
  if (wrong !== undefined) throw fail(`its output ${wrong} holds no fp32 or fp16 numbers`, todo);
  const likely = outputs.find(
    ({ name, dims }) => /(^|[._/])logits$/i.test(name) && (dims === null || dims.length === 3),
  );
  const logits = notes['logits'] == null ? (likely?.name ?? null) : named(notes['logits'], 'logits');
  return { attentions, logits: logits !== null && isFloat(logits) ? logits : null };
}

function listOf(tensors: readonly OnnxTensor[]): string {
  const described = tensors.slice(0, 12).map(({ name, dims }) => `${name || '(no name)'} ${shapeOf(dims)}`);
  if (tensors.length > described.length) described.push(`${tensors.length - described.length} more`);
  return described.join(', ') || 'none';
}

function shapeOf(dims: OnnxTensor['dims']): string {
  return dims === null ? '(of any shape)' : `(${dims.map(size => size || '?').join('×')})`;
}

/** Only patterns are known; the file does not expose the scores before them. */
function summarizeView(
  path: string,
  name: string,
  { n_layers, n_heads, vocab_size, max_seqlen }: ModelFolder['config'],
  nParameters: number,
  hasPredictions: boolean,
): ModelSummary {
  const layers = Array.from({ length: n_layers }, (_, layerIdx) => ({
    ...{
      layerIdx,
      operators: [],
      stages: ['pattern'] as const,
      preSoftmaxKernel: null,
      postSoftmaxKernel: null,
      kernels: {},
    },
  }));
  return {
    ...{ name, directory: path, nLayers: n_layers, nHeads: n_heads, dim: 0, vocabSize: vocab_size },
    ...{ maxSeqlen: max_seqlen, nParameters, layers, viewer: { hasPredictions } },
  };
}
