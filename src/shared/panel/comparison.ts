/** A second run beside the shown one, as the panel sees it: of another model, or of another version of the text. */

import type { ExecutionProvider, ModelSummary, PanelTokens } from '../analysis';
import type { FailureData } from '../tools/failure';

export interface PanelComparison {
  readonly status: 'waiting' | 'loading' | 'running' | 'done' | 'failed';
  /** What it is of, for people: a model's name, or which version of the text. */
  readonly label: string;
  /** Another model on the same text; else the shown model on another text. */
  readonly isOtherModel: boolean;
  readonly analysisId: number;
  readonly model: ModelSummary | null;
  readonly provider: ExecutionProvider | null;
  /** With their surprisal; null until the run is done. Offsets are of its own text. */
  readonly tokens: PanelTokens | null;
  readonly layersDone: number;
  readonly failure: FailureData | null;
}
