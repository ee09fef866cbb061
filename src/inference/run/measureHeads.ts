/** Measures of a layer's heads, from exact rows computed again from what the run keeps. */

import { HeadMeasurement, Repeats } from '../../attention/measureHead';
import { planLayer, stagesOf } from '../../graph/layerPlan';
import type { Stage } from '../../shared/attentionMap';
import type { HeadMeasures } from '../../shared/headMeasures';
import type { ModelFolder } from '../model/folder';
import type { Run } from './run';
import type { HeadBandsOf } from './runMaps';

export async function measureHeads(
  { config }: Pick<ModelFolder, 'config'>,
  run: Run,
  layerIdx: number,
  bandsOf: HeadBandsOf,
): Promise<HeadMeasures[]> {
  const plan = planLayer(config, layerIdx);
  const last = stagesOf(plan).at(-1)!;
  const stages: Stage[] = [
    ...new Set<Stage>([
      last,
      ...(plan.preSoftmaxKernel ? (['scores', 'convolved_scores'] as const) : []),
      ...(plan.postSoftmaxKernel ? (['pattern', 'convolved_pattern'] as const) : []),
    ]),
  ];
  const heads = Array.from({ length: plan.nHeads }, (_, headIdx) => headIdx);
  const repeats = new Repeats(run.ids, plan.slidingWindow ?? undefined);
  const measurements = heads.map(() => new HeadMeasurement(repeats));
  for await (const bands of bandsOf({ layerIdx, stages, heads, queries: [0, run.nTokens] })) {
    for (const [headIdx, measurement] of measurements.entries()) {
      const bandOf = (stage: Stage) => bands[stages.indexOf(stage)]![headIdx]!;
      measurement.add({
        attention: bandOf(last),
        preConv: plan.preSoftmaxKernel && { before: bandOf('scores'), after: bandOf('convolved_scores') },
        postConv: plan.postSoftmaxKernel && { before: bandOf('pattern'), after: bandOf('convolved_pattern') },
      });
    }
  }
  return measurements.map(({ measures }) => measures);
}
