/**
 * A tour of one finding, in a sample: the cell whose attention the convolution raised most, before it, after it, and tap
 * by tap. Its figures are measured in the current run, for any model.
 */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { failures } from '../errors';
import { showInformation, withProgress } from '../messages';
import type { PanelTab } from '../panel/panelTab';
import type { CellChange } from '../shared/attentionMap';
import { formatValue } from '../shared/labels';
import type { Stage } from '../shared/operators';
import type { Sample, Samples } from './samples';

interface Finding extends CellChange {
  readonly layerIdx: number;
  readonly headIdx: number;
}

interface Step {
  readonly tab: string;
  readonly stage: Stage;
  readonly text: string;
}

/** @throws Failure with a message for the user. */
export async function takeTour(
  samples: Samples,
  analysis: Analysis,
  tab: PanelTab,
  inspect: (sample: Sample) => Promise<void>,
): Promise<void> {
  const [sample] = await samples.list();
  if (!sample) throw failures.noEditor();
  await inspect(sample);
  const progress = { location: vscode.ProgressLocation.Notification, title: vscode.l10n.t('Looking for a finding') };
  const finding = await withProgress(progress, () => find(analysis, sample.tourFrom));
  if (!finding) throw failures.noFinding();
  const { analysisId } = analysis.snapshot;
  const steps = stepsOf(finding, analysis);
  for (const [i, { tab: view, stage, text }] of steps.entries()) {
    if (analysis.snapshot.analysisId !== analysisId) return; // the reader went on to something else
    const { layerIdx, headIdx, queryIdx, keyIdx } = finding;
    analysis.setView({ layerIdx, headIdx, stage, difference: false });
    analysis.selectToken(queryIdx);
    tab.show(view, { queryIdx, keyIdx });
    const isLast = i === steps.length - 1;
    const next = isLast ? vscode.l10n.t('Done') : vscode.l10n.t('Next');
    const heading = vscode.l10n.t('{0} of {1}', i + 1, steps.length);
    const chosen = await showInformation(`${heading}: ${text}`, next);
    if (chosen !== next) return;
  }
}

/**
 * The cell whose weight a convolution of the scores raised most; undefined where no layer has one.
 * @param from text behind which its query must lie; absent: anywhere.
 */
async function find({ snapshot, details, document }: Analysis, from?: string): Promise<Finding | undefined> {
  const { model, analysisId, tokens } = snapshot;
  const start = from === undefined ? 0 : (document?.getText().indexOf(from) ?? 0);
  const isBehind = (queryIdx: number) => (tokens?.offsets[queryIdx] ?? 0) >= start;
  let best: Finding | undefined;
  for (const { layerIdx, preSoftmaxKernel } of model?.layers ?? []) {
    if (!preSoftmaxKernel) continue;
    for (let headIdx = 0; headIdx < model!.nHeads; headIdx++) {
      const changes = await details.largestChanges({ analysisId, layerIdx, headIdx, part: 'pre_softmax_conv' });
      const raised = changes.find(
        ({ change, keyIdx, queryIdx }) => change > 0 && keyIdx > 0 && keyIdx < queryIdx && isBehind(queryIdx),
      );
      if (raised && raised.change > (best?.change ?? 0)) best = { ...raised, layerIdx, headIdx };
    }
  }
  return best;
}

function stepsOf({ layerIdx, headIdx, queryIdx, keyIdx, before, after }: Finding, { snapshot }: Analysis): Step[] {
  const labels = snapshot.tokens!.labels;
  const name = (idx: number) => `"${labels[idx]!.trim() || labels[idx]!}"`;
  const [query, key, head] = [name(queryIdx), name(keyIdx), `${layerIdx}.${headIdx}`];
  return [
    {
      ...{ tab: 'map', stage: 'scores' },
      text: vscode.l10n.t(
        'Layer {0} is about to decide where {1} (token {2}) looks. By its own query and key alone, {3} (token {4}) scores {5}.',
        ...[head, query, queryIdx, key, keyIdx, formatValue(before)],
      ),
    },
    {
      ...{ tab: 'stages', stage: 'convolved_scores' },
      text: vscode.l10n.t(
        'The convolution adds the scores of neighbouring queries and keys: now {0} scores {1}. Nowhere else in the part that the tour looks at did it raise a score more.',
        ...[key, formatValue(after)],
      ),
    },
    {
      ...{ tab: 'lens', stage: 'convolved_scores' },
      text: vscode.l10n.t(
        'The lens shows why: the kernel times the score of every pair around {0} and {1}. The parts add up to the cell.',
        ...[query, key],
      ),
    },
    {
      ...{ tab: 'map', stage: 'mixed_pattern' },
      text: vscode.l10n.t(
        'So {0} attends to {1}. The places it attends to are shaded in the text. Put the cursor on any other word to see its own.',
        ...[query, key],
      ),
    },
  ];
}
