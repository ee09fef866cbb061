/** Which form of the key-query convolution is fastest on this machine, by measurement: processors differ. */

import { type ConvolutionForm, convolutionGraph, cpuConvolutions, fedConvolution } from '../../graph/convolution';
import type { LayerPlan } from '../../graph/layerPlan';
import { relativeDifference } from './relativeDifference';
import { timedRun } from './timedRun';
import { probeValue } from './values';

/** A band that takes a few milliseconds: long enough to compare forms, short enough to do at the first use. */
const nRows = 64;
const nKeys = 256;
const nRepeats = 3;
/** Part of the fed form's time that another one must save to be worth sessions of its own. */
const leastGain = 0.15;
/** Sums of other orders differ this much, relative to the largest value. */
const maxDifference = 1e-5;

/** @returns the fed form for a layer without convolutions. */
export async function chooseConvolution(plan: LayerPlan, nThreads: number): Promise<ConvolutionForm> {
  const size = plan.preSoftmaxKernel ?? plan.postSoftmaxKernel;
  if (!size) return fedConvolution;
  const kernel = probeValue([plan.nHeads, 1, size.query, size.key]);
  const feeds = { map: probeValue([1, plan.nHeads, nRows, nKeys]), kernel };
  const measure = (form: ConvolutionForm) => {
    const graph = convolutionGraph(plan, size, kernel.data as Float32Array, form);
    return timedRun(graph, feeds, { provider: 'cpu', nThreads }, nRepeats);
  };
  const reference = await measure(fedConvolution);
  let best = { form: fedConvolution, durationMs: reference.durationMs * (1 - leastGain) };
  for (const form of cpuConvolutions) {
    const { durationMs, output } = await measure(form);
    if (durationMs < best.durationMs && relativeDifference(output, reference.output) <= maxDifference)
      best = { form, durationMs };
  }
  return best.form;
}
