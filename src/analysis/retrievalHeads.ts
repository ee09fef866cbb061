/** Heads that find context, chosen once for each model and remembered with the machine, never beside a document. */

import type * as vscode from 'vscode';
import { bestHeads } from '../attention/retrievalHeads';
import { failures } from '../errors';
import type { InferenceClient } from '../inference/client';
import type { HeadRef } from '../shared/address';
import type { ModelSummary } from '../shared/analysis';
import { readChosenHeads } from '../shared/panel/panelSchemas';
import { repeatedWords } from '../shared/retrievalHeads';
import type { Analysis } from './analysis';

const key = 'mtaInspector.retrievalHeads';
export class RetrievalHeads {
  constructor(
    private readonly analysis: Analysis,
    private readonly client: InferenceClient,
    private readonly memory: vscode.Memento,
  ) {}

  /** Those chosen for the model in use; null where none are. */
  get chosen(): readonly HeadRef[] | null {
    const { model } = this.analysis.snapshot;
    return model && this.chosenFor(model);
  }

  /** Those chosen for a model; null where none are. */
  chosenFor({ name, nLayers, nHeads }: Pick<ModelSummary, 'name' | 'nLayers' | 'nHeads'>): readonly HeadRef[] | null {
    const heads = this.all[name];
    const isOfModel = ({ layerIdx, headIdx }: HeadRef) => layerIdx < nLayers && headIdx < nHeads;
    return heads?.every(isOfModel) ? heads : null;
  }

  /**
   * Chooses an eighth of the model's heads by the words that the inspected text repeats, and remembers them.
   * @throws Failure where nothing is inspected or no word is repeated; Cancelled once `signal` fires.
   */
  async choose(signal: AbortSignal): Promise<readonly HeadRef[]> {
    const { document, snapshot } = this.analysis;
    const { model, window } = snapshot;
    if (!document || !model || !window) throw failures.noSelection();
    const examples = repeatedWords(document.getText().slice(window.start, window.end).replaceAll('\r\n', '\n'));
    if (examples.length === 0) throw failures.noRepeatedWords();
    const scores = await this.client.scoreHeads({ examples }, signal);
    const heads = bestHeads(scores).map(({ layerIdx, headIdx }) => ({
      layerIdx,
      headIdx,
    }));
    await this.memory.update(key, { ...this.all, [model.name]: heads });
    return heads;
  }

  /** By the model's name. */
  private get all(): ReturnType<typeof readChosenHeads> {
    return readChosenHeads(this.memory.get(key));
  }
}
