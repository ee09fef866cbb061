/** Rotary positions of Hugging Face's configurations, in our terms: old and new keys, flat or by kind of layer. */

import { shown } from '../shared/tools/failure';
import type { RopeBase } from './modelConfig';

type Json = Readonly<Record<string, unknown>>;

/** What a family does where config.json says nothing. */
export interface RopeDefaults {
  readonly theta: number;
  /** Of layers with a sliding window, where these have positions of their own. */
  readonly slidingTheta?: number;
  /** The key of that in older files. */
  readonly slidingThetaKey?: string;
  /** Share of a head that is rotated; absent where the family always rotates all of it. */
  readonly share?: number;
  /** Older keys of base and share. */
  readonly thetaKey?: string;
  readonly shareKey?: string;
  /** `original_max_position_embeddings` beside the scaling counts, and is this by default (Phi-3). */
  readonly firstContext?: number;
  /** Scaling where none is given. */
  readonly scaling?: Json;
}

export interface ReadRope {
  /** Unchecked: `parseModelConfig` checks them. */
  readonly rope_theta: unknown;
  readonly rope_scaling: Json | null;
  readonly sliding_rope: { readonly [key in keyof RopeBase]: unknown } | null;
  readonly share: unknown;
}

/**
 * As the library reads them: `rope_scaling` counts before `rope_parameters`, what is inside before what is beside.
 * @param json with the family's defaults filled in.
 */
export function readRope(json: Json, defaults: RopeDefaults): ReadRope {
  const scaling = filled(json['rope_scaling']);
  const parameters = filled(json['rope_parameters']);
  if (defaults.slidingTheta !== undefined) return readRopeByLayer(json, defaults, scaling, parameters);
  const given = scaling ?? parameters ?? defaults.scaling ?? {};
  const thetaKey = defaults.thetaKey ?? 'rope_theta';
  const theta = givenValue(given, 'rope_theta') ?? givenValue(json, thetaKey) ?? defaults.theta;
  const share = given['partial_rotary_factor'] ?? json[defaults.shareKey ?? 'partial_rotary_factor'] ?? defaults.share;
  return {
    rope_theta: theta,
    rope_scaling: scalingOf(given, json, defaults),
    sliding_rope: null,
    share: share ?? 1,
  };
}

/** Gemma 3 and OLMo 3: only layers that see everything are scaled. */
function readRopeByLayer(json: Json, defaults: RopeDefaults, scaling: Json | null, parameters: Json | null): ReadRope {
  const full = { ...filled(parameters?.['full_attention']), ...scaling };
  const sliding = filled(parameters?.['sliding_attention']) ?? {};
  const slidingKey = defaults.slidingThetaKey;
  const slidingTheta = givenValue(sliding, 'rope_theta') ?? (slidingKey && json[slidingKey]) ?? defaults.slidingTheta;
  return {
    rope_theta: givenValue(full, 'rope_theta') ?? givenValue(json, 'rope_theta') ?? defaults.theta,
    rope_scaling: scalingOf(withoutTruncate(full), json, defaults),
    sliding_rope: { rope_theta: slidingTheta, rope_scaling: scalingOf(withoutTruncate(sliding), json, defaults) },
    share: full['partial_rotary_factor'] ?? json['partial_rotary_factor'] ?? 1,
  };
}

/** A key that the file has as null is refused, as by the library: no default stands for it. */
function givenValue(json: Json, key: string): unknown {
  return json[key] === null ? 'null' : json[key];
}

/** The library reads this key beside the kinds of layers only. */
function withoutTruncate({ truncate: _, ...given }: Json): Json {
  return given;
}

/** An object with anything in it; an empty one counts as none. */
function filled(value: unknown): Json | null {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject && Object.keys(value).length > 0 ? (value as Json) : null;
}

function scalingOf(given: Json, json: Json, defaults: RopeDefaults): Json | null {
  const isByLayer = defaults.slidingTheta !== undefined;
  // Beside kinds of layers the library does not read the older name, and does not scale: refused rather than ignored.
  const olderType = given['type'];
  const olderName = typeof olderType === 'string' ? olderType : shown(olderType);
  const older = isByLayer && olderType !== undefined ? `type: ${olderName}` : olderType;
  const named = givenValue(given, 'rope_type') ?? older ?? 'default';
  if (named === 'default') return null;
  const isPhi3 = defaults.firstContext !== undefined;
  const type = isPhi3 && (named === 'su' || named === 'yarn') ? 'longrope' : named;
  const longest = json['max_position_embeddings'];
  const beside = isByLayer ? undefined : (json['original_max_position_embeddings'] ?? defaults.firstContext);
  const inside = givenValue(given, 'original_max_position_embeddings');
  // Dynamic scaling departs from the configured context, whatever else is given.
  const original = type === 'dynamic' ? longest : ((isPhi3 ? beside : (inside ?? beside)) ?? longest);
  // Only these two have a factor that follows from the contexts: yarn where the file says null.
  const isDerived = type === 'longrope' || (type === 'yarn' && given['factor'] === null);
  const derived = isDerived ? numberOr(longest, Number.NaN) / numberOr(original, Number.NaN) : undefined;
  const factor = given['factor'] ?? derived;
  const common = { rope_type: type, factor, original_max_position_embeddings: original };
  if (type === 'longrope') {
    return { ...given, ...common, amplitude: given['attention_factor'] ?? longRopeAmplitude(factor, original) };
  }
  const attention_factor = given['attention_factor'] ?? ratioOfScales(factor, given['mscale'], given['mscale_all_dim']);
  // 0 counts as absent.
  const betas = { beta_fast: given['beta_fast'] || 32, beta_slow: given['beta_slow'] || 1 };
  return { ...given, ...betas, ...common, attention_factor };
}

function longRopeAmplitude(factor: unknown, original: unknown): unknown {
  if (typeof factor !== 'number' || typeof original !== 'number') return factor;
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
}

/** Yarn's factor on cos and sin where two scales are given; null where it follows from `factor` alone. */
function ratioOfScales(factor: unknown, scale: unknown, scaleOfAll: unknown): number | null {
  if (typeof factor !== 'number' || typeof scale !== 'number' || typeof scaleOfAll !== 'number') return null;
  if (scale === 0 || scaleOfAll === 0) return null;
  const amplitude = (s: number) => (factor <= 1 ? 1 : 0.1 * s * Math.log(factor) + 1);
  return amplitude(scale) / amplitude(scaleOfAll);
}

/** Dynamic and yarn scaling reach `factor` times the first context, which `max_position_embeddings` often still is. */
export function longestContext(given: unknown, scaling: Json | null): unknown {
  const { rope_type: type, factor, original_max_position_embeddings: original } = scaling ?? {};
  if ((type !== 'dynamic' && type !== 'yarn') || typeof given !== 'number') return given;
  return typeof factor === 'number' && typeof original === 'number'
    ? Math.max(given, Math.floor(factor * original))
    : given;
}

/** Not by conversion: a value that is not a number may be too deep to be made text first. */
export function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}
