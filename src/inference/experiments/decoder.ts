/**
 * Continues a text token by token. Of each layer it keeps the keys and values of all tokens, and their residual stream:
 * the convolutions of Multi-Token Attention reach back over query rows, which are computed again from that. A new token
 * costs its own row and those few above it.
 */

import { hasLengthDependentPositions, planLayer } from '../../graph/layerPlan';
import { Cancelled } from '../../shared/tools/failure';
import { emptyRows, type LayerRows } from '../runtime/bands';
import type { ModelRuntime } from '../runtime/modelRuntime';
import { emptyValue, rowsOf, writeRows } from '../runtime/values';

export class Decoder {
  private readonly layers: readonly LayerRows[];
  private ids: number[] = [];
  /** Tokens whose keys and values are kept. */
  private nKept = 0;

  /** @param nTokens room for the text and what follows it. */
  constructor(
    private readonly runtime: ModelRuntime,
    private readonly nTokens: number,
  ) {
    const { config } = runtime.folder;
    this.layers = Array.from({ length: config.n_layers }, (_, layerIdx) =>
      emptyRows(planLayer(config, layerIdx), emptyValue([1, nTokens, config.dim])),
    );
  }

  /**
   * Appends tokens. @returns the vocabulary logits of the token after them, [vocabulary].
   * @throws Cancelled between layers once `signal` fires; the tokens are then not appended.
   */
  async append(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    const all = [...this.ids, ...ids];
    if (all.length > this.nTokens)
      throw new RangeError(`${all.length} tokens, the decoder has room for ${this.nTokens}`);
    const { runtime } = this;
    const rotatesByLength = hasLengthDependentPositions(runtime.folder.config);
    // Where positions are rotated by the length of the text, a longer one changes all keys: nothing can be kept.
    const first = rotatesByLength ? 0 : this.nKept;
    // All of them: learned positions count from the first token given.
    let added = rowsOf(await runtime.embed(Int32Array.from(all)), first, all.length);
    for (const [layerIdx, kept] of this.layers.entries()) {
      if (signal?.aborted) throw new Cancelled();
      writeRows(kept.hidden, first, added);
      const rows = rotatesByLength ? { ...kept, hidden: rowsOf(kept.hidden, 0, all.length) } : kept;
      added = await runtime.layerRows(layerIdx, rows, { first, end: all.length }, { signal });
    }
    this.ids = all;
    this.nKept = all.length;
    const nRows = added.dims[1]!;
    return (await runtime.logits(rowsOf(added, nRows - 1, nRows))).data as Float32Array;
  }
}
