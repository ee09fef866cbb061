// A plugin of Stryker that thins out the planned mutants to a random sample: Stryker itself can only be given lines, and
// lines leave out everything that is written over several of them.
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';

/** Set by mutate.mjs, which runs in the same process. */
export const sample = { size: Number.POSITIVE_INFINITY, seed: 1, nPlanned: 0 };

/** Numbers in [0, 1) that a seed determines (mulberry32). @param {number} seed */
function randomOf(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Leaves `size` of the items, drawn without replacement. @param {unknown[]} items @param {number} size @param {number} seed */
export function thinOut(items, size, seed) {
  const random = randomOf(seed);
  while (items.length > size) items.splice(Math.floor(random() * items.length), 1);
}

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Reporter, 'sample', {
    /** The plan that the reporters get is the one that is carried out. */
    onMutationTestingPlanReady({ mutantPlans }) {
      const plans = /** @type {(typeof mutantPlans)[number][]} */ (mutantPlans);
      plans.splice(0, plans.length, ...plans.filter(({ plan }) => plan === 'Run'));
      sample.nPlanned = plans.length;
      thinOut(plans, sample.size, sample.seed);
    },
  }),
];
