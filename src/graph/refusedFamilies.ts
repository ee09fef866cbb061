/** Families that are known and not read, with the reason. */

const reasons: readonly (readonly [families: RegExp, reason: string])[] = [
  [
    /^qwen3_(next|5|6)/,
    'whose layers of linear attention (Gated DeltaNet) have no attention map and are not computed here.',
  ],
  [
    /^(deepseek_v[23]|deepseek_v3_2|deepseek_v4|minicpm3|kimi|longcat|glm4_moe_lite)/,
    'whose latent attention (MLA) is not computed here.',
  ],
  [
    /^(bert|roberta|xlm|xlm-roberta|distilbert|albert|electra|camembert|deberta|deberta-v2|mpnet|modernbert|nomic_bert|ernie)$/,
    'an encoder, which predicts no next token.',
  ],
  [
    /^(t5|mt5|umt5|longt5|t5gemma|t5gemma2|switch_transformers|bart|mbart|marian|pegasus|m2m_100|whisper|blenderbot)$/,
    'an encoder with a decoder, of which only decoders alone are computed here.',
  ],
];

/** Why a known family is not read; null for others. */
export function refusedFamily(type: string): string | null {
  return reasons.find(([families]) => families.test(type))?.[1] ?? null;
}
