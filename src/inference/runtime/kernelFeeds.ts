/** A layer's learned parts: read from the model folder, kept in one shape (shared/kernels), fed in the graph's. */

import { join } from 'node:path';
import { kernelShapes } from '../../graph/attentionGraph';
import { kernelsOf, type LayerPlan, planLayer } from '../../graph/layerPlan';
import type { KernelPart, KernelWeights } from '../../shared/kernels';
import { decodeFloats } from '../../shared/tools/float16';
import type { ModelFolder } from '../model/folder';
import { readRange } from '../model/folderFiles';
import type { Value, Values } from './session';

const partOfFeed: Readonly<Record<string, KernelPart>> = {
  mta_kernel: 'pre_softmax_conv',
  'wpsm.weight': 'pre_softmax_head_mix',
  mta_kernel_after_sm: 'post_softmax_conv',
  head_kernel: 'post_softmax_head_mix',
  'wposm.weight': 'post_softmax_head_mix',
};

/** The trained weights of a layer's parts, in the order in which they are applied. */
export function readKernels(folder: ModelFolder, layerIdx: number): Promise<KernelWeights[]> {
  const read = (name: string) => readFloats(folder, `layers.${layerIdx}.attention.${name}`);
  return assembleKernels(planLayer(folder.config, layerIdx), read);
}

/** As `readKernels`. @param read gives the weights that a graph's feed of this name is fed with. */
export async function assembleKernels(
  plan: LayerPlan,
  read: (name: string) => Promise<Float32Array>,
): Promise<KernelWeights[]> {
  const shapes = kernelsOf(plan);
  const kernels: KernelWeights[] = [];
  for (const name of Object.keys(kernelShapes(plan))) {
    const part = partOfFeed[name]!;
    const values = await read(name);
    kernels.push({ part, ...shapes[part]!, values: name === 'head_kernel' ? swapped(values, plan) : values });
  }
  return kernels.sort((a, b) => order.indexOf(a.part) - order.indexOf(b.part));
}

const order = Object.values(partOfFeed);

/** As feeds of the layer's graph. */
export function kernelFeeds(plan: LayerPlan, kernels: readonly KernelWeights[]): Values {
  const feeds: Record<string, Value> = {};
  for (const [name, dims] of Object.entries(kernelShapes(plan))) {
    const { values } = kernels.find(({ part }) => part === partOfFeed[name])!;
    feeds[name] = { type: 'float32', data: name === 'head_kernel' ? swapped(values, plan) : values, dims };
  }
  return feeds;
}

/** `head_kernel` is stored [group, source, destination], we keep [destination head, source]: its own inverse. */
function swapped(values: Float32Array, { headKernelSize }: LayerPlan): Float32Array {
  const c = headKernelSize!;
  return values.map((_, i) => values[i - (i % (c * c)) + (i % c) * c + (Math.floor(i / c) % c)]!);
}

async function readFloats(folder: ModelFolder, key: string): Promise<Float32Array> {
  const { elementType, source } = folder.weights(key);
  if (!('file' in source)) throw new TypeError('the kernels of a model folder must be in its files');
  const inMemory = (await folder.inMemory(false, new Set([source.file]))).get(source.file);
  const bytes =
    inMemory?.subarray(source.offset, source.offset + source.length) ??
    (await readRange(join(folder.weightFolder, source.file), source.offset, source.length));
  return decodeFloats({ float32: 'F32', float16: 'F16', bfloat16: 'BF16' }[elementType as 'float32'], bytes);
}
