/** Layer › head › stage: which map is looked at, and the difference from the stage before. */

import type { LayerSummary } from '../../src/shared/analysis';
import { effectiveStage, offeredStages, previousStage } from '../../src/shared/attentionMap';
import { stageInText, stageLabel } from '../../src/shared/labels';
import type { Stage } from '../../src/shared/operators';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h } from '../dom';
import { layerOf, type State } from '../state';
import { checkbox, type DropdownOption, dropdown } from '../toolkit';

export function createBreadcrumb(actions: Actions, hasTiles: boolean) {
  const layer = dropdown('layer', t('Layer'), value => actions.setView({ layerIdx: Number(value) }));
  const head = dropdown('head', t('Head'), value => actions.setView({ headIdx: Number(value) }));
  const stage = dropdown('stage', t('Stage'), value => actions.setView({ stage: value as Stage }));
  const difference = checkbox('Δ', isOn => actions.setView({ difference: isOn }));
  const separator = () => h('span', { class: 'breadcrumb-separator', 'aria-hidden': 'true' }, '›');
  const element = h(
    'section',
    { class: 'breadcrumb', 'aria-label': t('Layer, head and stage') },
    ...[layer.element, separator(), head.element, separator(), stage.element, difference.element],
  );
  difference.element.classList.add('breadcrumb-difference');
  return {
    element,
    /** @param isUsed whether a view on screen shows that map. */
    update({ panel }: State, isUsed: boolean): void {
      const summary = panel && layerOf(panel);
      element.hidden = !panel?.model || !panel.tokens || !summary || !isUsed;
      if (!panel?.model || !summary) return;
      const { view, model } = panel;
      layer.set(layerOptions(model.layers, panel.layersDone), String(view.layerIdx), `L${view.layerIdx}`);
      head.set(
        Array.from({ length: model.nHeads }, (_, headIdx) => ({ value: String(headIdx), label: String(headIdx) })),
        String(view.headIdx),
        `H${view.headIdx}`,
      );
      const offered = offeredStages(model.layers);
      stage.set(stageOptions(offered, summary), effectiveStage(offered, view.stage));
      const shown = effectiveStage(summary.stages, view.stage);
      const before = previousStage(summary.stages, shown);
      const title = !hasTiles
        ? t('A report holds no exact values to subtract.')
        : before
          ? t('Difference from previous stage: {0} minus {1}', stageLabel(shown), stageInText(before))
          : t('{0} has no stage before it that it can be compared with.', stageLabel(shown));
      // The toolkit names a checkbox by its text when it is put into the page.
      difference.element.setAttribute('aria-label', t('Difference from previous stage'));
      difference.set(view.difference && before !== null && hasTiles, before !== null && hasTiles, title);
    },
  };
}

/** Layers with a key-query convolution are marked; layers still to come are named so. */
function layerOptions(layers: readonly LayerSummary[], layersDone: number): DropdownOption[] {
  return layers.map(({ layerIdx, preSoftmaxKernel, postSoftmaxKernel }) => {
    const mark = preSoftmaxKernel || postSoftmaxKernel ? t(' · convolution') : '';
    const wait = layerIdx < layersDone ? '' : t(' (not ready)');
    return { value: String(layerIdx), label: `${layerIdx}${mark}${wait}` };
  });
}

/** The model's stages; those that the layer lacks say what they equal, so that the choice survives a change of layer. */
function stageOptions(offered: readonly Stage[], layer: LayerSummary): DropdownOption[] {
  return offered.map(stage => {
    const shown = effectiveStage(layer.stages, stage);
    const label = shown === stage ? stageLabel(stage) : t('{0} (same as {1})', stageLabel(stage), stageInText(shown));
    return { value: stage, label };
  });
}
