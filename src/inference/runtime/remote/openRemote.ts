/** Opens a model of an inference server: finds it, takes its configuration and tokenizer from it, checks both. */

import { parseModelConfig } from '../../../graph/modelConfig';
import { servedNames, servedTexts } from '../../../graph/servedGraphs';
import type { RemoteOptions } from '../../../shared/remote';
import { holdsToken, redact } from '../../../shared/tools/redact';
import { type ModelFolder, summarize } from '../../model/folder';
import { int64 } from '../values';
import { type Endpoint, openEndpoint } from './endpoint';
import { remoteFailures } from './failures';
import { openTransport } from './openTransport';
import { RemoteRuntime } from './remoteRuntime';
import type { Texts } from './tensors';
import type { Transport } from './transport';

/** @throws Failure when the server cannot be reached, is not ready, or serves nothing that can be inspected. */
export async function openRemote(options: RemoteOptions): Promise<{ runtime: RemoteRuntime; note: string }> {
  const endpoint = openEndpoint(options);
  const transport = openTransport(endpoint);
  try {
    if (!(await transport.isReady())) throw remoteFailures.notReady(endpoint.host);
    const model = options.model || (await onlyModel(transport, endpoint.token));
    const folder = await readFolder(transport, model, endpoint);
    const streams = transport.stream !== null && (await transport.isModelReady(servedNames.run(model)));
    const runtime = new RemoteRuntime(folder, model, transport, streams);
    const way = `${endpoint.protocol === 'rest' ? 'REST' : 'gRPC'}${streams ? ', streaming' : ''}`;
    return { runtime, note: `the server ${endpoint.host} (${way}).` };
  } catch (error) {
    transport.close();
    throw error;
  }
}

/** Every inspectable model has an embedding of its own. */
async function onlyModel(transport: Transport, token: string | null): Promise<string> {
  const names = await transport.modelNames();
  if (holdsToken(names, token)) throw remoteFailures.sendsToken('the list of models');
  const models = names.filter(name => names.includes(servedNames.embed(name))).sort();
  if (models.length !== 1) throw remoteFailures.whichModel(models);
  return models[0]!;
}

async function readFolder(transport: Transport, model: string, { host, token }: Endpoint): Promise<ModelFolder> {
  const json = async (fileIdx: number): Promise<unknown> => {
    const call = {
      model: servedNames.texts(model),
      inputs: { file_index: int64([fileIdx], [1]) },
      outputs: { text: { type: 'string', dims: [1] } },
    } as const;
    const [text] = ((await transport.infer(call))['text'] as Texts).data;
    const where = `${servedTexts[fileIdx]} of ${model}`;
    let parsed: unknown;
    try {
      parsed = JSON.parse(text!);
    } catch {
      throw remoteFailures.badAnswer(where, 'no JSON', 'JSON');
    }
    if (holdsToken(parsed, token)) throw remoteFailures.sendsToken(where);
    return parsed;
  };
  const configJson = await json(0);
  const where = `config.json of the served model "${model}"`;
  const served = parseModelConfig(configJson, where);
  const config = { ...served, name: redact(served.name, token) };
  const tokenizerJson = await json(1);
  return {
    directory: host,
    weightFolder: host,
    config,
    configJson: configJson as Record<string, unknown>,
    tokenizerJson,
    weights: key => {
      throw new TypeError(`${key} is on the server`);
    },
    inMemory: async () => new Map(),
    sizeBytes: 0,
    summary: summarize(config, host, model),
  };
}
