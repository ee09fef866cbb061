/** The run of an experiment: the shown text with something changed about the model or about what it reads. The newest is kept. */

import { failures } from '../errors';
import type { InferenceClient } from '../inference/client';
import type { ChangeEffect, ChangeRequest } from '../shared/panel/experiment';
import type { Analysis } from './analysis';
import { type KnownRun, RunDetails } from './runDetails';

export class ChangedRuns {
  /** Closer looks at it. */
  readonly details: RunDetails;
  private current: { readonly analysisId: number; readonly run: KnownRun } | undefined;

  constructor(
    private readonly analysis: Pick<Analysis, 'trainedRun' | 'snapshot' | 'nextId'>,
    private readonly client: Pick<InferenceClient, 'change'>,
  ) {
    this.details = new RunDetails(client as InferenceClient, id => (this.holds(id) ? this.current?.run : undefined));
  }

  holds(analysisId: number): boolean {
    return this.current?.analysisId === analysisId;
  }

  /** @throws Failure `no-analysis` for a run that is not the current one of the model as trained; as `Engine.change`. */
  async change({ analysisId: baseId, change, keeps }: ChangeRequest, signal?: AbortSignal): Promise<ChangeEffect> {
    const { trainedRun, snapshot } = this.analysis;
    const { model, tokens } = snapshot;
    if (trainedRun?.analysisId !== baseId || !model || !tokens) throw failures.noAnalysis();
    const analysisId = this.analysis.nextId();
    const args = { analysisId, baseId, change, keeps };
    const answer = await this.client.change(args, signal ?? new AbortController().signal);
    const { predictions, klBits, meanKlBits, changeBits, meanChangeBits } = answer;
    if (keeps) {
      const layers = trainedRun.layers.map(layer => ({ ...layer, overviews: [] }));
      const run = { model, nTokens: tokens.labels.length, layers, predictions };
      this.current = { analysisId, run };
    }
    return { analysisId, klBits, meanKlBits, changeBits, meanChangeBits };
  }
}
