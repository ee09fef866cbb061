/** What experiments on a run answer: logit lens, knock-outs, patches and continuations. See docs/guide/experiments.md for the formulas. */

import type { Ablation } from './ablation';
import type { HeadRef, TokenRange } from './address';
import type { ExplainTarget, NamedToken } from './attribution';
import type { HeadBaseline } from './headAblation';

/** What the stream after one layer predicts at some rows. */
export interface LensLayer {
  /** Of the target, [rows]. */
  readonly surprisalBits: Float32Array;
  /** Of the target: how many tokens are likelier, plus 1. [rows] */
  readonly ranks: Int32Array;
  readonly entropyBits: Float32Array;
  /** KL(after the last layer || here), [rows]. */
  readonly divergenceBits: Float32Array;
  /** The likeliest tokens, [rows, k]. */
  readonly topIds: Int32Array;
  readonly topProbabilities: Float32Array;
}

export interface LogitLens {
  readonly rows: TokenRange;
  /** One for each row. */
  readonly targets: readonly NamedToken[];
  readonly k: number;
  readonly layers: readonly LensLayer[];
  /** Texts of the tokens in `topIds`. */
  readonly labels: Readonly<Record<number, string>>;
}

/** Edges that are knocked out: rows that may not see keys. */
export interface EdgeCut {
  readonly keys: TokenRange;
  /** After the keys; all rows after them unless given. */
  readonly queries?: TokenRange | undefined;
  /** All unless given. */
  readonly layers?: readonly number[] | undefined;
  /** All unless given; in place of `layers`. */
  readonly heads?: readonly HeadRef[] | undefined;
}

export interface KnockOutEffect {
  /** log2 p(target | edges cut) - log2 p(target), summed over the rows: below 0 where the prediction needs what was cut. */
  readonly changeBits: number;
  /** KL(as is || cut), the mean over the rows. */
  readonly divergenceBits: number;
  /** The likeliest token with the edges cut, one for each row. */
  readonly likeliest: readonly (NamedToken & { readonly probability: number })[];
}

export interface KnockOuts {
  readonly rows: TokenRange;
  readonly targets: readonly NamedToken[];
  /** Of the targets as the model is, [rows]. */
  readonly surprisalBits: Float32Array;
  /** One for each cut, each by itself. */
  readonly effects: readonly KnockOutEffect[];
}

export const patchKinds = ['residual', 'pattern', 'value', 'head', 'mlp'] as const;
/** What is replaced: the residual stream before a layer at a position, or a part of a layer at all positions. */
export type PatchKind = (typeof patchKinds)[number];

export interface PatchQuestion {
  /** Whose prediction is measured. */
  readonly row: number;
  readonly target: ExplainTarget;
  /** The measure is logit(target) - logit(minus); without it, log2 of the target's probability. */
  readonly minus?: number | undefined;
  readonly what: PatchKind;
  /** Another text's tokens, zeros, or each part's mean over the tokens up to the row. */
  readonly from: PatchTokens | HeadBaseline;
}

export interface PatchTokens {
  readonly ids: Int32Array;
  /** Equal tokens correspond, not those at the same position, where the texts are of unequal length. */
  readonly isAligned: boolean;
}

export interface PatchedParts {
  readonly target: NamedToken;
  readonly minus: NamedToken | null;
  /** The measure of the other text; null without one. */
  readonly other: number | null;
  readonly original: number;
  /** [layer][position, head, or 0 for the feed-forward part]: the measure, and whether what was put in differs. */
  readonly patched: readonly (readonly number[])[];
  readonly isChanged: readonly (readonly boolean[])[];
  /** All positions or heads of a layer at once, [layer]. */
  readonly together: readonly number[];
}

/** Something that is changed about the model, or about what it reads. */
export type Change =
  | { readonly kind: 'heads'; readonly heads: readonly HeadRef[]; readonly baseline: HeadBaseline }
  | { readonly kind: 'edges'; readonly cuts: readonly EdgeCut[] }
  | PatchChange
  | { readonly kind: 'kernels'; readonly ablation: Ablation };

/** Parts of another text's run are put in at the tokens that correspond. */
export interface PatchChange {
  readonly kind: 'patch';
  readonly what: 'residual' | 'head' | 'mlp';
  readonly layerIdx: number;
  /** Of `head`; null: all heads of the layer. */
  readonly headIdx: number | null;
  /** Tokens of the changed text; null: all that correspond. */
  readonly tokens: TokenRange | null;
  /** A finished run of the other text by the same model. */
  readonly otherId: number;
}

/** How a text is continued. */
export const chatRoles = ['system', 'user', 'assistant'] as const;

/** Of a conversation that a model's chat template renders. */
export interface ChatMessage {
  readonly role: (typeof chatRoles)[number];
  readonly content: string;
}

export interface ContinueOptions {
  readonly nTokens: number;
  /** Logits are divided by it; 0 takes the likeliest token. */
  readonly temperature: number;
  /** Draws from the likeliest tokens that have this probability together. */
  readonly topP: number;
  readonly seed: number;
  /** Likeliest tokens reported of each step. */
  readonly topK: number;
  /** Tokens that come first, whatever the model finds likely. */
  readonly firstIds?: readonly number[] | undefined;
}

/** A token that was chosen. Probabilities are those before temperature and top-p. */
export interface ContinuedToken {
  readonly id: number;
  /** What it adds to the text: nothing where its bytes are the first of a character, all of it where they are the last. */
  readonly text: string;
  readonly probability: number;
  readonly top: readonly (NamedToken & { readonly probability: number })[];
}

export interface Continuation {
  readonly text: string;
  /**
   * What the chat template made of messages, without the begin token that an analysis puts before a text by itself; null for
   * a text.
   */
  readonly prompt: string | null;
  /** Tokens that the text was continued from. */
  readonly nPromptTokens: number;
  readonly ended: 'length' | 'end-token';
}
