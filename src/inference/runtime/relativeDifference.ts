/** Largest difference between two results, relative to the expected one's largest magnitude (at least 1); NaN if any is. */
export function relativeDifference(got: Float32Array, expected: Float32Array): number {
  let largest = 0;
  let scale = 1;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(got[i]! - expected[i]!)); // NaN stays
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return largest / scale;
}
