/**
 * Prints figures that no command has, for models/tests/test_numbers.py: the lens of some cells, and kernel names.
 * Arguments: a model's folder and a text file.
 */

import { readFileSync } from 'node:fs';
import { kernelFeatures, mixFeatures } from '../src/attention/kernelShape';
import { largestOther, lensOf, lensPartsOf, tapRect } from '../src/attention/lens';
import { Engine } from '../src/inference/engine';
import { headMatrix, isConv, sourceHead } from '../src/shared/kernels';
import type { Stage } from '../src/shared/operators';

async function main(modelDirectory: string, file: string): Promise<void> {
  const text = readFileSync(file, 'utf8');
  let nTokens = 0;
  const engine = await Engine.load({ modelDirectory, provider: 'cpu', nThreads: 1 }, (event, payload) => {
    if (event === 'tokens') nTokens = (payload as { tokens: { ids: Int32Array } }).tokens.ids.length;
  });
  const { nHeads, maxSeqlen, layers } = engine.model;
  const where = { textStart: 0, documentLength: text.length, anchor: 0 };
  await engine.analyze({ analysisId: 1, text, ...where, maxTokens: maxSeqlen, topK: 1 });
  const names: object[] = [];
  const lens: object[] = [];
  for (const { layerIdx, stages } of layers) {
    const kernels = await engine.details.kernels({ analysisId: 1, layerIdx });
    for (const kernel of kernels) {
      for (let head = 0; head < nHeads; head++) {
        const weights = headMatrix(kernel, head);
        const own = Array.from({ length: kernel.columns }, (_, column) => sourceHead(kernel, head, column)).indexOf(
          head,
        );
        const { name } = isConv(kernel.part) ? kernelFeatures(weights, kernel) : mixFeatures(weights, [own]);
        names.push({ layer: layerIdx, part: kernel.part, head, name });
      }
    }
    for (const stage of stages) {
      const parts = lensPartsOf(stage, kernels);
      if (!parts) continue;
      for (const [i, query] of [0, 1, 5, nTokens >> 1, nTokens - 1, nTokens - 1].entries()) {
        const [head, key] = [i % nHeads, i === 5 ? query : (query * 5) >> 3];
        lens.push({ layer: layerIdx, ...{ stage, head, query, key }, ...(await figuresOf(stage, head, query, key)) });
      }
    }

    async function figuresOf(stage: Stage, headIdx: number, queryIdx: number, keyIdx: number) {
      const parts = lensPartsOf(stage, kernels)!;
      const patchOf = (rect: ReturnType<typeof tapRect>) =>
        engine.details.patch({ analysisId: 1, layerIdx, stage: parts.source, ...rect });
      const patch = await patchOf(tapRect(parts.conv, queryIdx, keyIdx, nTokens));
      const { total, own, sources } = lensOf(parts, patch, headIdx, queryIdx, keyIdx);
      const rect = { queryStart: queryIdx, keyStart: 0, nQueries: 1, nKeys: queryIdx + 1 };
      const row = await engine.details.tile({ analysisId: 1, layerIdx, headIdx, stage, ...rect });
      return {
        ...{ total, own, sources: sources.map(source => [source.headIdx, source.subtotal]) },
        ...otherKey(row.values, keyIdx),
      };
    }
  }
  await engine.release();
  console.log(JSON.stringify({ names, lens }));
}

/** The row's largest other key, and whether its value lies above the cell's. */
function otherKey(row: Float32Array, keyIdx: number) {
  const other = largestOther(row, keyIdx);
  return { other, isAbove: other !== null && row[other]! > row[keyIdx]! };
}

const [modelDirectory, file] = process.argv.slice(2) as [string, string];
void main(modelDirectory, file);
