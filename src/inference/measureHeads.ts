/** Measures of a layer's heads, from exact maps computed again from the kept residual stream. */

import { measureHead } from '../attention/measureHead';
import { planLayer, stagesOf } from '../graph/layerPlan';
import type { HeadMeasures } from '../shared/headMeasures';
import type { LayerRuntime } from './layerRuntime';
import type { Run } from './run';

/** Memory for the exact maps of the heads measured at once; a layer with more is computed several times. */
const maxMapBytes = 64 * 1024 * 1024;

export async function measureHeads(runtime: LayerRuntime, run: Run, layerIdx: number): Promise<HeadMeasures[]> {
  const plan = planLayer(runtime.folder.config, layerIdx);
  const { nTokens } = run;
  const size = nTokens * nTokens;
  const last = stagesOf(plan).at(-1)!;
  const stages = [
    ...new Set([
      last,
      ...(plan.preSoftmaxKernel ? (['scores', 'convolved_scores'] as const) : []),
      ...(plan.postSoftmaxKernel ? (['pattern', 'convolved_pattern'] as const) : []),
    ]),
  ];
  const nAtOnce = Math.max(1, Math.floor(maxMapBytes / (4 * size * stages.length)));
  const measures: HeadMeasures[] = [];
  for (let start = 0; start < plan.nHeads; start += nAtOnce) {
    const heads = Array.from({ length: Math.min(nAtOnce, plan.nHeads - start) }, (_, i) => start + i);
    const { rows } = run.layers[layerIdx]!;
    const kernels = run.kernels.get(layerIdx);
    const fetched = await runtime.stageRows(layerIdx, stages, heads, [0, nTokens], rows, kernels);
    for (let i = 0; i < heads.length; i++) {
      const mapOf = (stage: (typeof stages)[number]) =>
        fetched[stages.indexOf(stage)]!.subarray(i * size, (i + 1) * size);
      const maps = {
        attention: mapOf(last),
        preConv: plan.preSoftmaxKernel && { before: mapOf('scores'), after: mapOf('convolved_scores') },
        postConv: plan.postSoftmaxKernel && { before: mapOf('pattern'), after: mapOf('convolved_pattern') },
      };
      measures.push(measureHead(maps, run.ids));
    }
  }
  return measures;
}
