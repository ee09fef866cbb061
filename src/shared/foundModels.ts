/** Models that other programs have put on this machine. */

/** Where a model was found. */
export const modelSources = ['huggingface', 'ollama', 'lmstudio', 'llamacpp'] as const;
export type ModelSource = (typeof modelSources)[number];

export const sourceNames: Readonly<Record<ModelSource, string>> = {
  huggingface: 'Hugging Face',
  ollama: 'Ollama',
  lmstudio: 'LM Studio',
  llamacpp: 'llama.cpp',
};

/** A model as its store lists it, before it is opened. */
export interface FoundModel {
  readonly source: ModelSource;
  /** As its own program names it: `OWNER/NAME`, `NAME:TAG`, or a file. */
  readonly name: string;
  /** A branch, a tag or the beginning of a commit; null where the store keeps one revision only. */
  readonly revision: string | null;
  /** The folder or file to open. */
  readonly path: string;
  /** Size of its weights. */
  readonly sizeBytes: number;
  /** Why it cannot be opened, where the store says so already. */
  readonly problem: string | null;
}

/** What opening a model shows, or why it cannot be opened. */
export interface ModelFacts {
  /** The configuration's `model_type`, or the architecture of a GGUF file; null where neither is known. */
  readonly family: string | null;
  readonly nParameters: number | null;
  readonly sizeBytes: number | null;
  /** Memory that inspecting a short text takes at least, in bytes. */
  readonly memoryBytes: number | null;
  /** Whether that is within the memory budget of this machine. */
  readonly fitsInMemory: boolean | null;
  readonly problem: string | null;
}
