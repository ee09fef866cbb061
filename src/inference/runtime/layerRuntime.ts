/**
 * What runs a model layer by layer, wherever it does: here (`ModelRuntime`) or on a server. Engine, runs and closer
 * looks know nothing else, so that every feature works with any of them.
 */

import type { ModelRuntime } from './modelRuntime';

/** The public face of `ModelRuntime`. What `logProbabilities` gives is only ever handed back to `predict`. */
export type LayerRuntime = { readonly [Name in keyof ModelRuntime]: ModelRuntime[Name] };
