/** `mta-inspect export-repository`: a folder that Triton, KServe, MLServer and our Ray Serve application serve as it is. */

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type GraphFile, gatherWeights, type TensorDescription } from '../graph/graphFile';
import { servedGraphs, servedModelName } from '../graph/servedGraphs';
import type { ModelFolder } from '../inference/model/folder';
import { openModelFolder } from '../inference/model/openModelFolder';
import { writeFolder } from './output';
import { oneLine } from './terminal';

const weightFile = 'weights.bin';

/**
 * Writes one folder per served graph: `config.pbtxt` (Triton), `model-settings.json` (MLServer), `1/model.onnx` and
 * the weights it needs.
 * @returns what was written, in one line.
 */
export async function exportRepository(directory: string, out: string): Promise<string> {
  const folder = await openModelFolder(directory);
  const name = servedModelName(folder.summary.name);
  // Our own layout, whichever the folder has: the client needs to know no other.
  const texts = [{ ...folder.config, name: folder.summary.name }, folder.tokenizerJson].map(json =>
    JSON.stringify(json),
  );
  // The model by which a client finds the others is there last.
  return writeFolder(out, [name], async temporary => {
    const names: string[] = [];
    let nBytes = 0;
    for (const { name: served, graph } of servedGraphs(name, folder.config, folder.weights, texts)) {
      nBytes += await writeServed(folder, join(temporary, served), served, gatherWeights(graph, weightFile));
      names.push(served);
    }
    const result = `${oneLine(out)}: ${names.length} models that serve ${name}, ${(nBytes / 1e6).toFixed(1)} MB`;
    return { names, result };
  });
}

async function writeServed(folder: ModelFolder, path: string, name: string, file: GraphFile): Promise<number> {
  const version = join(path, '1');
  await mkdir(version, { recursive: true });
  await writeFile(join(path, 'config.pbtxt'), tritonConfig(name, file));
  await writeFile(join(path, 'model-settings.json'), mlserverSettings(name, file));
  await writeFile(join(version, 'model.onnx'), file.graph);
  if (file.pieces.length === 0) return file.graph.length;
  await writeFile(join(version, weightFile), '');
  for (const { file: source, offset, length, target } of file.pieces) {
    const inMemory = (await folder.inMemory(false, new Set([source]))).get(source);
    await pipeline(
      inMemory
        ? Readable.from([inMemory.subarray(offset, offset + length)])
        : createReadStream(join(folder.weightFolder, source), { start: offset, end: offset + length - 1 }),
      createWriteStream(join(version, weightFile), { flags: 'r+', start: target }),
    );
  }
  return file.graph.length + file.pieces.reduce((sum, { length }) => sum + length, 0);
}

/** Batches are made of nothing here: every request is one window of text, with its own length. */
function tritonConfig(name: string, { inputs, outputs }: GraphFile): string {
  const tensor = ({ name, datatype, shape }: TensorDescription) =>
    `  { name: "${name}" data_type: TYPE_${datatype === 'BYTES' ? 'STRING' : datatype} dims: [ ${shape.join(', ')} ] }`;
  const list = (key: string, tensors: readonly TensorDescription[]) =>
    `${key} [\n${tensors.map(tensor).join(',\n')}\n]\n`;
  return `name: "${name}"\nbackend: "onnxruntime"\nmax_batch_size: 0\n${list('input', inputs)}${list('output', outputs)}`;
}

function mlserverSettings(name: string, { inputs, outputs }: GraphFile): string {
  const parameters = { uri: './1/model.onnx', version: '1' };
  const implementation = 'mlserver_onnx.OnnxModel';
  return `${JSON.stringify({ name, implementation, platform: 'onnxruntime_onnx', inputs, outputs, parameters }, null, 2)}\n`;
}
