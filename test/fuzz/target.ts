/** Something that reads what others wrote. */

import type fc from 'fast-check';

export interface Target<Input = unknown> {
  readonly name: string;
  readonly inputs: fc.Arbitrary<Input>;
  readonly sizeOf: (input: Input) => number;
  /** Throws Failure for what it refuses. */
  readonly run: (input: Input) => void | Promise<void>;
  /** Refuses with a RangeError, which its caller turns into an answer. */
  readonly refusesByRange?: boolean;
}
