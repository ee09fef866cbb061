/** Models to begin with: small ones that people inspect, of families that are computed here. Nothing is fetched for this list. */

export interface KnownModel {
  /** As the hub has it today, which refuses older names. */
  readonly id: string;
  /** The configuration's `model_type`. */
  readonly family: string;
  /** Weights, tied ones once. The size of the files is asked for once the model is chosen. */
  readonly nParameters: number;
  /** Whether access is given on request. */
  readonly isGated?: boolean;
}

/** Small ones first. */
export const knownModels: readonly KnownModel[] = [
  { id: 'EleutherAI/pythia-70m', family: 'gpt_neox', nParameters: 70_426_624 },
  { id: 'distilbert/distilgpt2', family: 'gpt2', nParameters: 81_912_576 },
  { id: 'openai-community/gpt2', family: 'gpt2', nParameters: 124_439_808 },
  { id: 'HuggingFaceTB/SmolLM2-135M', family: 'llama', nParameters: 134_515_008 },
  { id: 'HuggingFaceTB/SmolLM2-135M-Instruct', family: 'llama', nParameters: 134_515_008 },
  { id: 'EleutherAI/pythia-160m', family: 'gpt_neox', nParameters: 162_322_944 },
  { id: 'google/gemma-3-270m', family: 'gemma3_text', nParameters: 268_098_176, isGated: true },
  { id: 'Qwen/Qwen2.5-0.5B', family: 'qwen2', nParameters: 494_032_768 },
  { id: 'Qwen/Qwen3-0.6B', family: 'qwen3', nParameters: 596_049_920 },
  { id: 'meta-llama/Llama-3.2-1B', family: 'llama', nParameters: 1_235_814_400, isGated: true },
  { id: 'allenai/OLMo-2-0425-1B', family: 'olmo2', nParameters: 1_484_916_736 },
  { id: 'bigcode/starcoder2-3b', family: 'starcoder2', nParameters: 3_030_371_328 },
];
