/** Which heads a relevance is of: what --method, --heads, --layer, --head and --stage say together. */

import type { Engine } from '../inference/engine';
import type { HeadRef } from '../shared/address';
import type { Stage } from '../shared/operators';
import { chosenHeads, parseHeads, type RelevanceMethod } from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import { chooseMap } from './document';
import { readHeadsFile } from './retrievalHeads';

export interface HeadOptions {
  readonly method: RelevanceMethod;
  /** As `parseHeads` reads them; absent: all, for `head` the one that `layer` and `head` name. */
  readonly heads: string | undefined;
  /** A file of heads that `choose-heads` wrote, in place of `heads`. */
  readonly headsFile?: string | undefined;
  readonly layer: number | undefined;
  readonly head: number | undefined;
  readonly stage: Stage | undefined;
}

export interface ChosenHeads {
  readonly heads: readonly HeadRef[];
  /** Of `head`; the others take the last stage of each layer. */
  readonly stage: Stage;
  /** What the answer says of it: null where it is of several heads. */
  readonly named: { readonly layer: number | null; readonly head: number | null; readonly stage: Stage | null };
}

/** What is wrong with the options together, before a model is there; null for nothing. */
export function headOptionsProblem({ method, heads, headsFile, layer, head, stage }: HeadOptions): string | null {
  if (headsFile !== undefined) {
    if (heads !== undefined) return '--heads and --heads-file name the heads twice: give one of them';
    if (method === 'head')
      return '--heads-file is of several heads, and --method head takes one: give --heads LAYER.HEAD';
  }
  if (method === 'head') {
    if (heads !== undefined && (layer !== undefined || head !== undefined)) {
      return '--heads and --layer or --head name the head twice: give one of them';
    }
    return heads === 'all' || heads === 'layer'
      ? `--heads is "${heads}", --method head needs one head, such as 2.0`
      : null;
  }
  if (head !== undefined) return `--head needs --method head: give --heads LAYER.HEAD for --method ${method}`;
  if (stage !== undefined) return `--stage needs --method head: --method ${method} is of the last stage of each layer`;
  if (layer !== undefined && heads !== 'layer') return '--layer needs --method head or --heads layer';
  return null;
}

/** @throws Failure `bad-usage` for what is not a head of the model. */
export function chooseHeads(engine: Engine, options: HeadOptions): ChosenHeads {
  const { method, heads } = options;
  const { nLayers, nHeads } = engine.model;
  const listed = (text: string, layer: number) => {
    try {
      return chosenHeads(parseHeads(text, nLayers, nHeads), layer, nLayers, nHeads);
    } catch (error) {
      throw new Failure('bad-usage', `--heads: ${(error as Error).message}.`);
    }
  };
  if (method !== 'head') {
    const { layer, stage } = chooseMap(engine, options);
    const { headsFile } = options;
    return {
      heads: headsFile === undefined ? listed(heads ?? 'all', layer) : readHeadsFile(headsFile, engine),
      stage,
      named: { layer: heads === 'layer' ? layer : null, head: null, stage: null },
    };
  }
  const [only, another] = heads === undefined ? [] : listed(heads, 0);
  if (another) throw new Failure('bad-usage', `--heads is "${heads}", --method head needs one head, such as 2.0.`);
  const { layer, head, stage, shownStage } = chooseMap(engine, {
    ...options,
    ...(only ? { layer: only.layerIdx, head: only.headIdx } : {}),
  });
  return { heads: [{ layerIdx: layer, headIdx: head }], stage, named: { layer, head, stage: shownStage } };
}
