/** Measures of a layer's heads, from exact rows computed again from what the run keeps. */

import { HeadMeasurement, Repeats } from '../../attention/measureHead';
import { planLayer, stagesOf } from '../../graph/layerPlan';
import { previousStage } from '../../shared/attentionMap';
import type { HeadMeasures } from '../../shared/headMeasures';
import { type Stage, weightsStage } from '../../shared/operators';
import type { ModelFolder } from '../model/folder';
import type { Run } from './run';
import type { HeadBandsOf } from './runMaps';

/** @param copiesOf gives r of `copying`, [head, key]; null where the model's weights cannot be read. */
export async function measureHeads(
  { config }: Pick<ModelFolder, 'config'>,
  run: Run,
  layerIdx: number,
  bandsOf: HeadBandsOf,
  copiesOf: () => Promise<Float32Array | null>,
): Promise<HeadMeasures[]> {
  const plan = planLayer(config, layerIdx);
  const available = stagesOf(plan);
  const last = weightsStage(available);
  const around = (after: Stage) => ({ before: previousStage(available, after)!, after });
  const preConv = plan.preSoftmaxKernel && around('convolved_scores');
  const postConv = plan.postSoftmaxKernel && around('convolved_pattern');
  const stages = [...new Set([last, ...[preConv, postConv].flatMap(pair => (pair ? [pair.before, pair.after] : []))])];
  const heads = Array.from({ length: plan.nHeads }, (_, headIdx) => headIdx);
  const repeats = new Repeats(run.ids, plan.slidingWindow ?? undefined, plan.attentionChunk ?? undefined);
  const { nTokens } = run;
  let measurements: HeadMeasurement[] | undefined;
  for await (const bands of bandsOf({ layerIdx, stages, heads, queries: [0, run.nTokens] })) {
    if (!measurements) {
      const copies = await copiesOf();
      measurements = heads.map(
        head => new HeadMeasurement(repeats, copies?.subarray(head * nTokens, (head + 1) * nTokens)),
      );
    }
    for (const [headIdx, measurement] of measurements.entries()) {
      const bandOf = (stage: Stage) => bands[stages.indexOf(stage)]![headIdx]!;
      measurement.add({
        attention: bandOf(last),
        preConv: preConv && { before: bandOf(preConv.before), after: bandOf(preConv.after) },
        postConv: postConv && { before: bandOf(postConv.before), after: bandOf(postConv.after) },
      });
    }
  }
  return measurements!.map(({ measures }) => measures); // a text has a token at least
}
