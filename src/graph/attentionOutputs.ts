/**
 * Which outputs of a foreign ONNX graph are the attention of which layer, by their names: `attentions.3`, `attn_3`,
 * `decoder_attentions.3`, `/model/layers.3/self_attn/Softmax_output_0`, `layer 3 attention weights`; and series whose first
 * name has no number, as exporters write them that keep names apart by a suffix: `attention`, `attention_1`. Pure.
 */

const saysAttention = /att(entio)?n/i;
/** Outputs that speak of attention and are not maps of a decoder. */
const saysOther = /mask|cross|encoder|hidden|present|past|cache/i;
const layerNumber = /(?:layers?|blocks?|\bh)[\s._/[-]*(\d+)/i;

/** A name of an attention output. */
interface Attention {
  readonly name: string;
  /** Null where no number of the name is the layer's. */
  readonly number: number | null;
  /** The name without that number: what the names of all layers have in common. */
  readonly series: string;
}

/**
 * The attention outputs in the order of layers.
 * @param others outputs that cannot be maps by their shape: a series that one of them belongs to is incomplete.
 * @returns a sentence's end where the names do not say exactly one output per layer.
 */
export function attentionOutputs(
  names: readonly string[],
  others: readonly string[] = [],
): readonly string[] | { readonly why: string } {
  const all = attentionsOf([...names, ...others]);
  if ('why' in all) return all;
  const found = all.filter(({ name }) => names.includes(name));
  if (found.length === 0) return { why: 'none of its outputs is named like attention' };
  const byLayer = new Map<number, string>();
  for (const { name, number } of found) {
    if (number === null) continue;
    const other = byLayer.get(number);
    if (other !== undefined) return { why: `both ${other} and ${name} look like the attention of layer ${number}` };
    byLayer.set(number, name);
  }
  const series = [...new Set(found.map(attention => attention.series))];
  if (series.length > 1) return { why: `its attention outputs are of several series: ${series.join(', ')}` };
  const misshapen = all.find(({ name, series: own }) => own === series[0] && !names.includes(name));
  if (misshapen) return { why: `${misshapen.name} is of another shape than the attention of the other layers` };
  const [unnumbered, another] = found.filter(({ number }) => number === null).map(({ name }) => name);
  if (another !== undefined) return { why: `both ${unnumbered} and ${another} look like the attention of one layer` };
  if (unnumbered !== undefined) {
    if (byLayer.size === 0) return { why: `the name of its output ${unnumbered} does not say of which layer it is` };
    const zero = byLayer.get(0);
    if (zero !== undefined) return { why: `both ${unnumbered} and ${zero} look like the attention of layer 0` };
    byLayer.set(0, unnumbered);
  }
  const layers = [...byLayer.keys()].sort((a, b) => a - b);
  const first = layers[0]!; // counted from 0 or from 1
  const gap = layers.findIndex((layerIdx, i) => layerIdx !== first + i);
  if (first > 1 || gap >= 0) {
    return { why: `its attention outputs are of the layers ${layers.join(', ')}, so some are missing` };
  }
  return layers.map(layerIdx => byLayer.get(layerIdx)!);
}

/** The part of a name that names the node; null for what is not an attention map. */
function nodeOf(name: string): string | null {
  const ofNode = name.replace(/_output_\d+$/, '');
  return saysAttention.test(ofNode) && !saysOther.test(ofNode) ? ofNode : null;
}

function attentionsOf(names: readonly string[]): readonly Attention[] | { readonly why: string } {
  const found: Attention[] = [];
  /** Names with several numbers, none of them behind a word for layers, by what they have in common. */
  const unclear = new Map<string, { readonly name: string; readonly ofNode: string }[]>();
  for (const name of names) {
    const ofNode = nodeOf(name);
    if (ofNode === null) continue;
    const numbers = [...ofNode.matchAll(/\d+/g)];
    const byWord = layerNumber.exec(ofNode);
    if (byWord) found.push(numberedAt(name, ofNode, byWord.index + byWord[0].length - byWord[1]!.length));
    else if (numbers.length === 0) found.push({ name, number: null, series: ofNode });
    else if (numbers.length === 1) found.push(numberedAt(name, ofNode, numbers[0]!.index));
    else {
      const pattern = ofNode.replace(/\d+/g, '#');
      unclear.set(pattern, [...(unclear.get(pattern) ?? []), { name, ofNode }]);
    }
  }
  // The layer's number is the one that is another in every name.
  for (const group of unclear.values()) {
    const numbers = group.map(({ ofNode }) => [...ofNode.matchAll(/\d+/g)]);
    const changing = numbers[0]!.flatMap((_, i) => (new Set(numbers.map(own => own[i]![0])).size > 1 ? [i] : []));
    if (changing.length !== 1)
      return { why: `the numbers in ${group[0]!.name} do not say which one is that of the layer` };
    for (const [i, { name, ofNode }] of group.entries()) {
      found.push(numberedAt(name, ofNode, numbers[i]![changing[0]!]!.index));
    }
  }
  return found;
}

/** @param at where the number of the layer starts in `ofNode`. */
function numberedAt(name: string, ofNode: string, at: number): Attention {
  const digits = /^\d+/.exec(ofNode.slice(at))![0];
  const before = ofNode.slice(0, at).replace(/[\s._:([-]+$/, '');
  const after = ofNode.slice(at + digits.length).replace(/^[\])]/, '');
  // Nodes of layers are numbered on their own, such as Softmax_7: such numbers do not make another series.
  const series = `${before}${after}`.replace(/_\d+(?=\/|$)/g, '');
  return { name, number: Number(digits), series };
}
