/** The tour: opens the sample that a reader understands at once, selects its finding, and lets the panel show the steps. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { failures } from '../errors';
import type { PanelTab } from '../panel/panelTab';
import { selectWord } from './cursorSelection';
import { findingIn, type Sample, type Samples } from './samples';

/** Id by which the panel starts its tour. */
const tourTab = 'tour';

/** @throws Failure with a message for the user. */
export async function takeTour(
  samples: Samples,
  analysis: Analysis,
  tab: PanelTab,
  inspect: (sample: Sample) => Promise<void>,
): Promise<void> {
  const sample = (await samples.list()).find(({ finding }) => finding !== undefined);
  if (!sample) throw failures.noEditor();
  await inspect(sample);
  const { document } = analysis;
  const offset = document ? findingIn(sample, document) : null;
  const token = offset === null ? null : analysis.tokenAtOffset(offset);
  if (!document || offset === null || token === null) throw failures.noFinding();
  const place = document.positionAt(offset);
  await vscode.window.showTextDocument(document, { selection: new vscode.Range(place, place) });
  selectWord(analysis, token);
  tab.show(tourTab);
}
