/**
 * Which outputs of a foreign ONNX graph are the attention of which layer, told by their names: `attentions.3`, `attn_3`,
 * `decoder_attentions.3`, `/model/layers.3/self_attn/Softmax_output_0`, `layer 3 attention weights`. Pure.
 */

const saysAttention = /att(entio)?n/i;
/** Outputs that speak of attention and are none of a decoder's maps. */
const saysOther = /mask|cross|encoder|hidden|present|past|cache/i;
const layerNumber = /(?:layers?|blocks?|\bh)[\s._/[-]*(\d+)/i;

/** A layer's index as a name tells it; null for a name that is of no layer's attention. */
export function attentionLayerOf(name: string): number | null {
  const ofNode = name.replace(/_output_\d+$/, '');
  if (!saysAttention.test(ofNode) || saysOther.test(ofNode)) return null;
  const number = layerNumber.exec(ofNode)?.[1] ?? /\d+/.exec(ofNode)?.[0];
  return number === undefined ? null : Number(number);
}

/**
 * The attention outputs in the order of layers.
 * @returns a sentence's end where the names do not tell one output per layer.
 */
export function attentionOutputs(names: readonly string[]): readonly string[] | { readonly why: string } {
  const byLayer = new Map<number, string>();
  for (const name of names) {
    const layerIdx = attentionLayerOf(name);
    if (layerIdx === null) continue;
    const other = byLayer.get(layerIdx);
    if (other !== undefined) return { why: `both ${other} and ${name} look like the attention of layer ${layerIdx}` };
    byLayer.set(layerIdx, name);
  }
  if (byLayer.size === 0) return { why: 'none of its outputs is named like attention' };
  const layers = [...byLayer.keys()].sort((a, b) => a - b);
  const first = layers[0]!; // counted from 0 or from 1
  const gap = layers.findIndex((layerIdx, i) => layerIdx !== first + i);
  if (first > 1 || gap >= 0) {
    return { why: `its attention outputs are of the layers ${layers.join(', ')}, so some are missing` };
  }
  return layers.map(layerIdx => byLayer.get(layerIdx)!);
}
