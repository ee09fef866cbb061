/** The analysis as exports read it. */

import { failures } from '../errors';
import { codePointOffsets, type ExportSource, type MapChoice } from '../export/source';
import { describeAblation } from '../shared/ablation';
import { effectiveStage, previousStage } from '../shared/attentionMap';
import { questionSuffix } from '../shared/panel/question';
import { withSuffix } from '../shared/tools/documentText';
import type { Analysis } from './analysis';
import { sourceOf } from './target';

/** @throws Failure while there is no finished run to export. */
export function exportSource(analysis: Analysis): ExportSource {
  const {
    analysisId,
    documentLabel,
    model,
    provider,
    window,
    windowLines,
    durationMs,
    status,
    ablation,
    isStale,
    question,
    selectedToken,
    selectionAnchor,
  } = analysis.snapshot;
  const { windowTokens: tokens } = analysis;
  if (status !== 'done' || !model || !provider || !window || !windowLines || !tokens) throw failures.nothingToExport();
  const nTokens = tokens.ids.length;
  const whole = { queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens };
  return {
    ...{ name: documentLabel ?? '', model, provider, window, windowLines, tokens, durationMs: durationMs ?? 0 },
    ...(selectedToken === null ? {} : { selection: { token: selectedToken, anchor: selectionAnchor } }),
    predictions: analysis.details.predictions(analysisId),
    ablation: describeAblation(ablation.shown) || null,
    codePointOffsets: () => {
      const { document } = analysis;
      if (!document || isStale) return null;
      const written = sourceOf(document);
      const text = question === null ? written : withSuffix(written, questionSuffix(written, question));
      return codePointOffsets(text.slice(0, window.end), tokens.offsets);
    },
    overview: (layerIdx, stage) => analysis.details.layerOverview({ analysisId, layerIdx, headIdx: 0, stage }),
    headMeasures: layerIdx => analysis.details.headMeasures({ analysisId, layerIdx }),
    map: async (layerIdx, headIdx, stage) =>
      (await analysis.details.tile({ analysisId, layerIdx, headIdx, stage, ...whole })).values,
  };
}

/** The current map. */
export function shownMap({ snapshot: { view, model } }: Analysis): MapChoice {
  const { stages } = model!.layers[view.layerIdx]!;
  const shownStage = effectiveStage(stages, view.stage);
  const minus = view.difference ? previousStage(stages, shownStage) : null;
  return { layer: view.layerIdx, head: view.headIdx, stage: view.stage, shownStage, minus };
}
