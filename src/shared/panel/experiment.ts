/** What the panel asks of an experiment, and what it did to the predictions. */

import type { HeadAblationEffect } from '../headAblation';
import type { Change } from '../interventions';

export interface ChangeRequest {
  /** The run of the model as trained. */
  readonly analysisId: number;
  readonly change: Change;
  /** Whether maps and predictions of the changed run will be requested; of changed kernels there are none. */
  readonly keeps: boolean;
}

export interface ChangeEffect extends HeadAblationEffect {
  /** Of the changed run. */
  readonly analysisId: number;
}
