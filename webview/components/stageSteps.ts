/** The stages of the head as steps: scores, what each kernel makes of them, softmax, and on; each step opens its map. */

import type { MapAddress } from '../../src/shared/attentionMap';
import type { KernelPart, KernelWeights } from '../../src/shared/kernels';
import { stageLabel } from '../../src/shared/labels';
import { isPreSoftmax, type Stage } from '../../src/shared/operators';
import { t } from '../../src/shared/tools/l10n';
import { h, onChange, redraw } from '../dom';
import { kernelKey } from '../kernelGallery';
import { layerOf, mapRefOf, type State } from '../state';
import type { Theme } from '../theme';
import type { ViewContext } from '../views/view';
import { matrixPicture } from './matrixPicture';

/** The learned part that makes a stage of the one before it. */
const partOf: Readonly<Partial<Record<Stage, KernelPart>>> = {
  convolved_scores: 'pre_softmax_conv',
  mixed_scores: 'pre_softmax_head_mix',
  convolved_pattern: 'post_softmax_conv',
  mixed_pattern: 'post_softmax_head_mix',
};

export function createStageSteps({ actions, kernels, host, store }: ViewContext) {
  const element = h('nav', { class: 'stage-steps', 'aria-label': t('Stages of the head') });
  let learned: readonly KernelWeights[] = [];
  let learnedOf = '';

  const read = onChange((analysisId: number, layerIdx: number, has: boolean) => {
    const name = `${analysisId}/${layerIdx}`;
    learned = [];
    learnedOf = name;
    if (!has) return;
    kernels.layer(analysisId, layerIdx).then(
      weights => {
        if (learnedOf !== name) return;
        learned = weights;
        update(store.state);
      },
      () => {}, // a newer run has begun, and its state is on the way
    );
  });

  const draw = onChange(
    (stages: readonly Stage[], shown: Stage, headIdx: number, parts: readonly KernelWeights[], theme: Theme) => {
      const steps = stages.flatMap((stage, i) => {
        const before = stages[i - 1];
        return [...(before ? [arrow(before, stage, parts, headIdx, theme)] : []), step(stage, stage === shown)];
      });
      redraw(element, ...steps);
    },
  );

  function step(stage: Stage, isShown: boolean): HTMLElement {
    const button = h('button', { class: 'stage-step', type: 'button', 'data-key': stage }, stageLabel(stage));
    if (isShown) button.setAttribute('aria-current', 'step');
    button.addEventListener('click', () => actions.setView({ stage }));
    return button;
  }

  /** What leads from one stage to the next: the softmax, or a kernel, which opens its details. */
  function arrow(before: Stage, stage: Stage, parts: readonly KernelWeights[], headIdx: number, theme: Theme) {
    if (isPreSoftmax(before) !== isPreSoftmax(stage)) return h('span', { class: 'stage-arrow' }, t('softmax →'));
    const found = parts.find(({ part }) => part === partOf[stage]);
    if (!found) return h('span', { class: 'stage-arrow' }, '→');
    const { rows, columns, values } = found;
    const matrix = { rows, columns, values: values.slice(headIdx * rows * columns, (headIdx + 1) * rows * columns) };
    const kernel = h('button', { class: 'stage-kernel', type: 'button', 'data-key': `kernel-${stage}` });
    const name = t('Kernel that makes {0}: what it does', stageLabel(stage));
    kernel.setAttribute('aria-label', name);
    kernel.title = name;
    kernel.append(matrixPicture(matrix, theme), h('span', { 'aria-hidden': 'true' }, '→'));
    kernel.addEventListener('click', () => {
      const { layerIdx } = mapRefOf(store.state.panel)!;
      actions.setLayout({ kernel: kernelKey(layerIdx, found.part, headIdx), kernelPart: null });
      actions.showTab('kernels');
    });
    return kernel;
  }

  function update(state: State): void {
    const { panel, theme } = state;
    const ref: MapAddress | null = mapRefOf(panel);
    const layer = panel && layerOf(panel);
    element.hidden = !ref || !layer || layer.stages.length < 2;
    if (!ref || !layer) return;
    read(ref.analysisId, ref.layerIdx, host.hasTiles && Object.keys(layer.kernels).length > 0);
    draw(layer.stages, ref.stage, ref.headIdx, learned, theme);
  }
  return { element, update };
}
