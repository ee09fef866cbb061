/** The panel's view of the current ablation and of the ranking of all of them. */

import { type Ablation, type AblationEffect, noAblation } from '../ablation';
import type { FailureData } from '../tools/failure';

/** What the shown run changes about the model. Whatever is on screen is of `shown`. */
export interface PanelAblation {
  /** No edits: the model as it was trained. */
  readonly shown: Ablation;
  /** The last request; differs from `shown` while it is computed, or when that failed. */
  readonly requested: Ablation;
  readonly isRunning: boolean;
  readonly failure: FailureData | null;
  /** Why an ablation is gone that the reader did not take back. */
  readonly note: string | null;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** The run of the model as trained on the same tokens, once it is done. */
  readonly trainedId: number | null;
  /** What `shown` does to the prediction; null for the model as trained. */
  readonly effect: PanelAblationEffect | null;
}

export interface PanelAblationEffect {
  /** KL(trained || ablated) of the next token after each position, bits, shape [nTokens]. */
  readonly klBits: Float32Array;
  readonly meanKlBits: number;
  /** Surprisal of the model as trained, bits, shape [nTokens]. */
  readonly trainedSurprisalBits: Float32Array;
  /** Bits per token; NaN where nothing is predicted. */
  readonly meanSurprisalChangeBits: number;
  readonly durationMs: number;
}

/** All single ablations on the shown document, as far as they have been tried. */
export interface Ranking {
  /** Run of the model as trained. */
  readonly trainedId: number;
  readonly status: 'running' | 'done' | 'cancelled' | 'failed';
  readonly withHeads: boolean;
  readonly done: number;
  readonly total: number;
  /** Largest effect first. */
  readonly effects: readonly AblationEffect[];
  readonly failure: FailureData | null;
}

export type AblationStep = 'undo' | 'redo' | 'reset';

/** Nothing was ever ablated. */
export const asTrained: PanelAblation = {
  shown: noAblation,
  requested: noAblation,
  isRunning: false,
  failure: null,
  note: null,
  canUndo: false,
  canRedo: false,
  trainedId: null,
  effect: null,
};
