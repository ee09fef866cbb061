/**
 * Rotary frequencies stretched for contexts longer than a model was first trained on, as Hugging Face's llama-class
 * models name and compute the ways (`rope_scaling`): linear (position interpolation), dynamic (NTK-aware by length),
 * llama3 (by wavelength), yarn (arXiv 2309.00071) and longrope (arXiv 2402.13753).
 */

export type RopeScaling =
  | { readonly rope_type: 'linear'; readonly factor: number }
  | { readonly rope_type: 'dynamic'; readonly factor: number; readonly original_max_position_embeddings: number }
  | {
      readonly rope_type: 'llama3';
      readonly factor: number;
      readonly original_max_position_embeddings: number;
      readonly low_freq_factor: number;
      readonly high_freq_factor: number;
    }
  | {
      readonly rope_type: 'yarn';
      readonly factor: number;
      readonly original_max_position_embeddings: number;
      readonly beta_fast: number;
      readonly beta_slow: number;
      /** Factor on cos and sin; null: 0.1 ln(factor) + 1. */
      readonly attention_factor: number | null;
      /** Whether the bounds of the ramp are rounded to whole dimensions. */
      readonly truncate: boolean;
    }
  | {
      readonly rope_type: 'longrope';
      readonly original_max_position_embeddings: number;
      /** Divisors of each pair's frequency: in windows up to the first context, and in longer ones. */
      readonly short_factor: readonly number[];
      readonly long_factor: readonly number[];
      /** Factor on cos and sin. */
      readonly amplitude: number;
    };

export const ropeTypes = ['linear', 'dynamic', 'llama3', 'yarn', 'longrope'] as const;

export interface RotaryFrequencies {
  /** Angle per position of each pair, [head_dim / 2]. */
  readonly frequencies: Float32Array;
  /** Factor on cos and sin. */
  readonly amplitude: number;
}

/** Whether the rotation of a position changes with the window's length. */
export function dependsOnLength(scaling: RopeScaling | null): boolean {
  return scaling?.rope_type === 'dynamic' || scaling?.rope_type === 'longrope';
}

/**
 * @param headDim components of a head that are rotated.
 * @param nPositions length of the window, on which dynamic scaling and longrope depend.
 */
export function rotaryFrequencies(
  headDim: number,
  theta: number,
  scaling: RopeScaling | null,
  nPositions: number,
): RotaryFrequencies {
  if (scaling?.rope_type === 'dynamic') {
    const { factor, original_max_position_embeddings: original } = scaling;
    const stretch = (factor * Math.max(nPositions, original)) / original - (factor - 1);
    return { frequencies: plain(headDim, theta * stretch ** (headDim / (headDim - 2))), amplitude: 1 };
  }
  const frequencies = plain(headDim, theta);
  switch (scaling?.rope_type) {
    case undefined:
      return { frequencies, amplitude: 1 };
    case 'linear':
      return { frequencies: frequencies.map(frequency => frequency / scaling.factor), amplitude: 1 };
    case 'llama3':
      return { frequencies: frequencies.map(frequency => byWavelength(frequency, scaling)), amplitude: 1 };
    case 'longrope': {
      const isLong = nPositions > scaling.original_max_position_embeddings;
      const factors = isLong ? scaling.long_factor : scaling.short_factor;
      return {
        frequencies: frequencies.map((frequency, m) => frequency / Math.fround(factors[m] ?? 1)),
        amplitude: scaling.amplitude,
      };
    }
    case 'yarn': {
      const ramp = yarnRamp(headDim, theta, scaling);
      const { factor, attention_factor: given } = scaling;
      return {
        frequencies: frequencies.map((frequency, m) => (frequency / factor) * ramp(m) + frequency * (1 - ramp(m))),
        amplitude: given ?? (factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1),
      };
    }
  }
}

/** theta^(-2m/d), rounded as PyTorch rounds it. */
function plain(headDim: number, theta: number): Float32Array {
  return Float32Array.from(
    { length: headDim / 2 },
    (_, m) => 1 / Math.fround(Math.fround(theta) ** Math.fround((2 * m) / headDim)),
  );
}

function byWavelength(frequency: number, scaling: RopeScaling & { rope_type: 'llama3' }): number {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength > original / low) return frequency / factor;
  if (wavelength < original / high) return frequency;
  const smooth = (original / wavelength - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** Share of interpolation of pair m: 0 where waves are short, 1 where they are longer than the first context. */
function yarnRamp(headDim: number, theta: number, scaling: RopeScaling & { rope_type: 'yarn' }): (m: number) => number {
  const pairOfRotations = (rotations: number) =>
    (headDim * Math.log(scaling.original_max_position_embeddings / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairOfRotations(scaling.beta_fast), pairOfRotations(scaling.beta_slow)];
  const low = Math.max(scaling.truncate ? Math.floor(first) : first, 0);
  let high = Math.min(scaling.truncate ? Math.ceil(last) : last, headDim - 1);
  if (high === low) high += 0.001; // no division by zero
  return m => Math.min(Math.max((m - low) / (high - low), 0), 1);
}
