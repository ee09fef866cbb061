/** The only file that imports ONNX Runtime: create a session, check the names fed, run, release. */

import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { LocalProvider } from '../../shared/analysis';
import { Failure } from '../../shared/tools/failure';
import { thisPlatform, whyUnsupported } from './platform';

/** A tensor that goes in or comes out; `data` is row-major. */
export interface Value {
  readonly type: 'float32' | 'int32' | 'int64' | 'int8' | 'bool';
  readonly data: Float32Array | Int32Array | BigInt64Array | Int8Array | Uint8Array;
  readonly dims: readonly number[];
}

export type Values = Readonly<Record<string, Value>>;

/** Also of weights in fewer bits, which come out of a session only to go into another. */
export type Feeds = Readonly<Record<string, Value | SharedWeight>>;

/** A tensor in a GPU's memory, where other sessions of its provider take it from. Its data has to be fetched first. */
export class Resident implements Value {
  constructor(
    readonly type: 'float32' | 'int32',
    readonly dims: readonly number[],
    readonly tensor: Tensor,
    /** Whose memory it is, where that is another's. */
    readonly owner?: Resident,
  ) {}

  get data(): never {
    throw new TypeError(`a tensor [${this.dims}] is in the memory of the GPU: fetch it before reading it`);
  }

  /** The same memory, or the first part of it, in another shape, or read as another type. */
  as(dims: readonly number[], type = this.type): Resident {
    return new Resident(type, dims, this.tensor, this.owner ?? this);
  }
}

/** A weight that several sessions are fed with. */
export interface SharedWeight {
  readonly type: 'float32' | 'float16' | 'uint8' | 'int8';
  readonly data: Float32Array | Uint16Array | Uint8Array | Int8Array;
  readonly dims: readonly number[];
}

export interface SessionOptions {
  readonly provider: LocalProvider;
  /** Folder that external weights are read from; absent when the graph holds them. */
  readonly weightFolder?: string;
  /**
   * Weights are used where the file is mapped: neither converted to fp32 nor laid out again for the whole session, which
   * costs some time in every run and spares twice to three times the file's size in memory.
   */
  readonly mapsWeights?: boolean;
  /** Inputs that are the same in every run. */
  readonly sharedWeights?: ReadonlyMap<string, SharedWeight | Value>;
  /** Contents of external files that are not in the folder, by name. */
  readonly weightsInMemory?: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /**
   * The default: laid out again for each convolution and pooling, maps cost more time; and with channels last, a
   * grouped `Conv` with several outputs a group is wrong where all outputs, but not those of a group, are a multiple of 4.
   */
  readonly gpuLayout?: GpuLayout;
  /** Threads for CPU work; 0 lets the runtime choose. */
  readonly nThreads?: number;
  /** What comes out stays in the memory of the GPU: `Resident`s. Only `webgpu` can. */
  readonly keepsOnGpu?: boolean;
}

/** Largest constant that is worked out ahead where weights are mapped: biases and norms, no matrices. */
const maxFoldedBytes = '1048576';

/** How a GPU provider lays out maps: as they are, or with channels last, which is its own choice. */
export type GpuLayout = 'NCHW' | 'NHWC';

interface Runtime extends Pick<typeof import('onnxruntime-node'), 'InferenceSession' | 'Tensor'> {
  /** Providers other than the CPU. */
  readonly providers: readonly LocalProvider[];
  /** WebAssembly: for the CPU alone, and reads no files. */
  readonly isWasm: boolean;
}

let loaded: Promise<Runtime> | undefined;

/**
 * Loads the native library when it is first needed: a remote engine needs none, and runs where there is none. Machines that
 * it has no build for get the one in WebAssembly, where that was packaged.
 * @throws Failure `no-runtime`
 */
function loadRuntime(): Promise<Runtime> {
  loaded ??= loadNative().catch(error =>
    loadWasm().catch(() => {
      throw error;
    }),
  );
  return loaded;
}

async function loadWasm(): Promise<Runtime> {
  const { InferenceSession, Tensor, env } = await import('onnxruntime-web');
  env.wasm.numThreads = Math.min(8, availableParallelism());
  return { InferenceSession, Tensor, providers: [], isWasm: true };
}

async function loadNative(): Promise<Runtime> {
  try {
    const { InferenceSession, Tensor, listSupportedBackends } = await import('onnxruntime-node');
    const providers = listSupportedBackends()
      .filter(backend => backend.bundled && backend.name !== 'cpu')
      .map(backend => backend.name as LocalProvider);
    return { InferenceSession, Tensor, providers, isWasm: false };
  } catch (error) {
    const why = whyUnsupported(thisPlatform()) ?? reason(error);
    throw new Failure(
      'no-runtime',
      `ONNX Runtime cannot run on this machine: ${why}. Set a server that runs the model ` +
        '(mtaInspector.remote.url), or open the folder on another machine, with Remote-SSH for example.',
      ['openSettings', 'showLog'],
    );
  }
}

/** Providers other than the CPU that the installed ONNX Runtime holds, in its order. */
export async function bundledProviders(): Promise<readonly LocalProvider[]> {
  return (await loadRuntime()).providers;
}

/** Whether the CPU's work runs in WebAssembly, several times slower than natively. */
export async function isWasm(): Promise<boolean> {
  return (await loadRuntime()).isWasm;
}

const providerOptions = (provider: LocalProvider | 'wasm', preferredLayout: GpuLayout) =>
  provider === 'webgpu' ? ({ name: 'webgpu', preferredLayout } as const) : provider;

export class Session {
  /** Runs under way: releasing the session under them would end the process. */
  private readonly running = new Set<Promise<unknown>>();

  private constructor(
    private readonly ort: InferenceSession,
    private readonly runtime: Runtime,
    /** By input. */
    private readonly shared: ReadonlyMap<string, Tensor>,
  ) {}

  /**
   * Blocks the thread while the runtime optimises the graph.
   * @param graph its bytes, or the path of a file whose weights, in it or beside it, the runtime reads itself.
   * @throws Failure with code `no-runtime` where ONNX Runtime cannot be loaded, `provider` when the execution provider cannot be used, `runtime` otherwise.
   */
  static async create(graph: Uint8Array | string, options: SessionOptions): Promise<Session> {
    const { provider, weightFolder, weightsInMemory, nThreads, mapsWeights = false, gpuLayout = 'NCHW' } = options;
    const { keepsOnGpu = false, sharedWeights = new Map<string, SharedWeight | Value>() } = options;
    const runtime = await loadRuntime();
    try {
      const source = typeof graph === 'string' && runtime.isWasm ? await readFile(graph) : graph;
      const ort = await runtime.InferenceSession.create(source as Uint8Array, {
        executionProviders: [providerOptions(runtime.isWasm ? 'wasm' : provider, gpuLayout)],
        logSeverityLevel: 4, // what fails is thrown; the library would print it in its own words first
        // The arena never gives memory back: one per layer would hold every layer's maps at once.
        enableCpuMemArena: false,
        ...(keepsOnGpu ? { preferredOutputLocation: 'gpu-buffer' as const } : {}),
        ...(nThreads ? { intraOpNumThreads: nThreads } : {}),
        ...(weightsInMemory?.size
          ? { externalData: Array.from(weightsInMemory, ([path, data]) => ({ path, data })) }
          : {}),
        extra: {
          session: {
            ...(weightFolder && !runtime.isWasm ? { model_external_initializers_file_folder_path: weightFolder } : {}),
            ...(mapsWeights ? { disable_prepacking: '1' } : {}),
          },
          optimization: mapsWeights ? { constant_folding_max_output_size_in_bytes: maxFoldedBytes } : {},
        },
      });
      const shared = Array.from(sharedWeights, ([name, value]) => [name, tensorOf(runtime, value)] as const);
      return new Session(ort, runtime, new Map(shared));
    } catch (error) {
      if (provider !== 'cpu') throw providerFailure(provider, error);
      throw runtimeFailure('create a session', error);
    }
  }

  get outputNames(): readonly string[] {
    return this.ort.outputNames;
  }

  /**
   * Blocks the thread for the whole run. Feeds the graph does not take are left out.
   * @throws RangeError if a feed is missing; Failure `runtime` if ONNX Runtime refuses or fails.
   */
  async run(feeds: Feeds, fetches: readonly string[] = this.ort.outputNames): Promise<Values> {
    const tensors: Record<string, Tensor> = {};
    for (const name of this.ort.inputNames) {
      const shared = this.shared.get(name);
      if (shared) {
        tensors[name] = shared;
        continue;
      }
      const value = feeds[name];
      if (!value) throw new RangeError(`feed "${name}" is missing; given: ${Object.keys(feeds).join(', ')}`);
      tensors[name] = tensorOf(this.runtime, value);
    }
    const run = this.ort.run(tensors, [...fetches]);
    this.running.add(run);
    try {
      const fetched = await run;
      return Object.fromEntries(Object.entries(fetched).map(([name, tensor]) => [name, toValue(tensor)]));
    } catch (error) {
      throw runtimeFailure('run a layer', error);
    } finally {
      this.running.delete(run);
    }
  }

  /** Once what runs is done. */
  async release(): Promise<void> {
    await Promise.allSettled(this.running);
    await this.ort.release();
  }
}

function tensorOf({ Tensor }: Runtime, value: Value | SharedWeight): Tensor {
  if (value.type === 'float16') {
    // Where Node has Float16Array, since version 24, the library makes one of the bits, and its native part reads it as empty.
    return Object.assign(new Tensor('uint16', value.data as Uint16Array, value.dims), { type: 'float16' as const });
  }
  if (!(value instanceof Resident)) return new Tensor(value.type, value.data as never, value.dims);
  return Tensor.fromGpuBuffer(value.tensor.gpuBuffer, { dataType: value.type, dims: value.dims });
}

function toValue(tensor: Tensor): Value {
  if (tensor.location !== 'gpu-buffer') return tensor as unknown as Value;
  return new Resident(tensor.type as Resident['type'], tensor.dims, tensor);
}

function providerFailure(provider: LocalProvider, error: unknown): Failure {
  const cause = reason(error);
  const failure = new Failure(
    'provider',
    `Cannot use the execution provider "${provider}": ${cause}. Choose "auto" or "cpu" in the settings.`,
    ['openSettings', 'showLog'],
  );
  failure.cause = cause;
  return failure;
}

const ranOut = 'memory ran out';

/** Whether memory was used up, and not only estimated to be too little: allocators keep what they took. */
export function hasUsedUpMemory(error: unknown): boolean {
  if (error instanceof RangeError) return /allocation failed/i.test(error.message);
  return error instanceof Failure && error.cause === ranOut;
}

function runtimeFailure(what: string, error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  // Its own words and those of the C++ library and the JavaScript engine beneath it.
  if (/bad.alloc|failed to allocate|out of memory|allocation failed/i.test(message)) {
    const failure = new Failure(
      'memory',
      `Memory ran out while ONNX Runtime tried to ${what}. Close other programs or choose a shorter window ` +
        '(mtaInspector.range.maxTokens), then try again.',
      ['retry', 'openSettings'],
    );
    failure.cause = ranOut;
    return failure;
  }
  const cause = reason(error);
  const failure = new Failure('runtime', `ONNX Runtime could not ${what}: ${cause}. Try again or pick another model.`, [
    'retry',
    'showLog',
  ]);
  failure.cause = cause;
  return failure;
}

/** The sentence of a runtime's message that says what happened, without source places of the runtime. */
function reason(error: unknown): string {
  const line = (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
  const sentence = line.replace(/^\/onnxruntime_src\S* /, '').replace(/^.* was false\. /, '');
  return sentence.slice(0, 300).replace(/\.$/, '');
}
