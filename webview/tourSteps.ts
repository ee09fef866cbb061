/** What the tour shows, step by step, and what is said about samples that need a word. Pure. */

import { type Stage, weightsStage } from '../src/shared/operators';
import type { PanelState } from '../src/shared/panel/panelMessages';
import { readableLabels, textOfTokens } from '../src/shared/places';
import { t } from '../src/shared/tools/l10n';
import { selectedRange } from './state';

export interface TourStep {
  /** View or page that the step opens. */
  readonly tab: string;
  /** What of the page the step is about: a selector. */
  readonly target: string;
  readonly text: string;
  /** The stage that is shown, of the head that matters most. */
  readonly stage?: Stage;
}

/** @param panel of a finished run. @param head what the tour looks at, such as "L6H6"; empty while it is not known. */
export function tourSteps(panel: PanelState, head: string): readonly TourStep[] {
  const { tokens } = panel;
  const range = selectedRange(panel) ?? panel.suggestion;
  const word = tokens && range ? textOfTokens(readableLabels(tokens), range) : '';
  const stages = panel.model?.layers[panel.view.layerIdx]?.stages;
  return [
    {
      ...{ tab: 'why', target: '.why-predicted' },
      text: t(
        'The model read the text up to “{0}” and predicted what comes next. The bars are the likeliest tokens; ✓ marks the one that came.',
        word,
      ),
    },
    {
      ...{ tab: 'why', target: '.why-lines' },
      text: t(
        'Where it comes from: the earlier lines that added most to this prediction, and what hiding each one does to it. Click a line to go there.',
      ),
    },
    {
      ...{ tab: 'heads', target: '.region-grid' },
      text:
        head === ''
          ? t('Every attention head as a small picture, with the kind of head that it is. Click one to open it.')
          : t(
              'Every attention head as a small picture, with the kind of head that it is. {0} added most to this prediction; its map is open.',
              head,
            ),
      ...(stages ? { stage: weightsStage(stages) } : {}),
    },
    {
      ...{ tab: 'stages', target: '.region-map' },
      text: t(
        'One head in stages, from scores to weights. A convolution lets neighboring tokens decide together; the softmax makes weights of the scores. Compare before and after.',
      ),
    },
    {
      ...{ tab: 'experiment', target: '.page-experiment' },
      text: t(
        'Does it matter? Take a part of the model away and see what its predictions become. Weights say where a head looks; only an experiment says what the model uses.',
      ),
    },
  ];
}

/** What a reader has to know about a document of the box; empty for all others. */
export function sampleNote(documentLabel: string | null): string {
  return documentLabel === 'letters.blocks'
    ? t(
        'The toy task: blocks of five letters with dots between them. Behind each # stand two letters, then the block that holds both of them. A convolution can look for two neighboring letters at once. Click a letter behind a #.',
      )
    : '';
}
