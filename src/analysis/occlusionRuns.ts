/** Runs of the model with parts of the text occluded, one after the other. */

import type { InferenceClient } from '../inference/client';
import type { OccludeArgs, OccludedEvent } from '../inference/protocol';
import type { OcclusionBaseline } from '../shared/relevance';

export class OcclusionRuns {
  private current: { readonly id: number; readonly onEffect: (event: OccludedEvent) => void } | undefined;
  private lastId = 0;

  constructor(private readonly client: InferenceClient) {
    client.listen({ occluded: event => event.occlusionId === this.current?.id && this.current.onEffect(event) });
  }

  /** Occludes spans of tokens; effects of the newest such run alone are heard. @throws Cancelled when `signal` fires. */
  async run(
    args: Omit<OccludeArgs, 'occlusionId'>,
    onEffect: (event: OccludedEvent) => void,
    signal: AbortSignal,
  ): Promise<OcclusionBaseline> {
    const current = { id: ++this.lastId, onEffect };
    this.current = current;
    try {
      return await this.client.occlude({ ...args, occlusionId: current.id }, signal);
    } finally {
      if (this.current === current) this.current = undefined;
    }
  }
}
