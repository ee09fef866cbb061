/** What if kernels were off, or other ones: switches, an editor, and a ranking of all of them. */

import { ablatedWeights, editOf, partLabels, withEdit } from '../../src/shared/ablation';
import { headMatrix, identityMatrix, type KernelPart, type KernelWeights, kernelParts } from '../../src/shared/kernels';
import type { Ranking } from '../../src/shared/panel/panelAblation';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { t } from '../../src/shared/tools/l10n';
import { createAblationSwitches } from '../components/ablationSwitches';
import { createKernelEditor, type KernelGrid } from '../components/kernelEditor';
import { createRankingTable } from '../components/rankingTable';
import { h } from '../dom';
import { allows } from '../experimentKinds';
import { viewerNote } from '../labels';
import { layerOf, type State } from '../state';
import { button, dropdown } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

export const ablationView: ViewDefinition = {
  id: 'ablation',
  title: t('Kernels changed'),
  isOffered: host => host.hasEditor,
  hasContent: panel => allows('ablation', panel),
  usesHead: () => true,
  create: context => new AblationView(context),
};

class AblationView implements PanelView {
  readonly element: HTMLElement;
  private readonly switches;
  private readonly ranking;
  private readonly editor = createKernelEditor(weights => this.edit(weights));
  private readonly part = dropdown('part', t('Kernel'), value => {
    this.chosenPart = value as KernelPart;
    this.update(this.context.store.state);
  });
  private readonly scope = dropdown('scope', t('Reach'), value => {
    const { panel } = this.context.store.state;
    if (panel) this.context.actions.setAblation({ ...panel.ablation.requested, scope: value as 'model' | 'layer' });
  });
  private readonly undo = button(
    t('Undo'),
    'secondary',
    () => this.context.actions.stepAblation('undo'),
    t('Undo ablation change'),
  );
  private readonly redo = button(
    t('Redo'),
    'secondary',
    () => this.context.actions.stepAblation('redo'),
    t('Redo ablation change'),
  );
  private readonly tools: HTMLElement;
  private readonly empty = h('p', { class: 'hint' });
  private readonly hint = h('p', { class: 'hint' });
  private chosenPart: KernelPart = 'pre_softmax_conv';
  private rankingState: Ranking | null = null;
  /** Key of the kernels that are on their way. */
  private kernelsWanted = '';
  private kernels: { readonly key: string; readonly layer: string; readonly values: readonly KernelWeights[] } | null =
    null;
  private requests = new AbortController();

  constructor(private readonly context: ViewContext) {
    const { host, actions } = context;
    this.switches = createAblationSwitches(ablation => actions.setAblation(ablation));
    this.ranking = createRankingTable({
      start: withHeads => void host.request('rankAblations', { withHeads }).catch(() => {}),
      cancel: () => void host.request('cancelRanking', {}).catch(() => {}),
      show: ablation => actions.setAblation(ablation),
    });
    this.tools = h(
      'div',
      { class: 'buttons kernel-tools' },
      button(
        t('As Trained'),
        'secondary',
        () => this.setKernel('trained'),
        t('As Trained: take back the weights of this head'),
      ),
      button(t('Identity'), 'secondary', () => this.setKernel('identity'), t('Make this head’s kernel the identity')),
      button(t('Zero'), 'secondary', () => this.setKernel('zero'), t('Set all weights of this head to zero')),
    );
    const section = (title: string, ...content: HTMLElement[]) =>
      h('section', { 'aria-label': title }, h('h2', {}, title), ...content);
    this.element = h(
      'div',
      { class: 'ablation' },
      h(
        'div',
        {},
        h('div', { class: 'ablation-tools' }, this.scope.element, h('div', { class: 'buttons' }, this.undo, this.redo)),
        this.hint,
        section(t('Switch off'), this.switches.element),
        section(t('Edit the kernel of one head'), this.part.element, this.empty, this.editor.element, this.tools),
      ),
      h('details', { class: 'ranking-section' }, h('summary', {}, t('Which part matters most')), this.ranking.element),
    );
    this.element.addEventListener('keydown', event => this.onKey(event));
    host.on('ranking', ranking => {
      this.rankingState = ranking;
      if (this.element.isConnected) this.ranking.update(ranking);
    });
    host.request('ranking', {}).then(
      ranking => {
        this.rankingState ??= ranking;
        this.ranking.update(this.rankingState);
      },
      () => {}, // Without an answer there is no ranking yet.
    );
  }

  update(state: State): void {
    const { panel } = state;
    this.element.hidden = !panel?.tokens || !panel.model;
    if (!panel?.model || !panel.tokens) return;
    const { ablation } = panel;
    this.scope.set(
      [
        { value: 'model', label: t('Whole model') },
        { value: 'layer', label: t('This layer only') },
      ],
      ablation.requested.scope,
    );
    this.hint.textContent =
      ablation.requested.scope === 'model'
        ? t('Later layers read what the changed layers give.')
        : t('Later layers read what they read before; the prediction changes by what the changed layers add directly.');
    const focused = document.activeElement;
    this.undo.toggleAttribute('disabled', !ablation.canUndo);
    this.redo.toggleAttribute('disabled', !ablation.canRedo);
    // A button that is switched off under the reader's hands hands the focus on, or the view's keys would be heard no more.
    if (focused === this.undo && !ablation.canUndo) this.redo.focus();
    if (focused === this.redo && !ablation.canRedo) this.undo.focus();
    this.switches.update(state);
    this.ranking.update(this.rankingState);
    this.loadKernels(panel);
    this.drawEditor(panel, state);
  }

  hide(): void {
    this.requests.abort();
    this.requests = new AbortController();
    this.kernels = null;
  }

  private drawEditor(panel: PanelState, { theme }: State): void {
    const parts = kernelParts.filter(part => layerOf(panel)?.kernels[part]);
    this.empty.hidden = parts.length > 0;
    this.empty.textContent = viewerNote(panel.model) || t('This layer has no convolution and no head mixing.');
    this.part.element.hidden = parts.length === 0;
    this.tools.hidden = parts.length === 0;
    const options = parts.map(part => ({ value: part, label: partLabels[part] }));
    if (parts.length > 0) this.part.set(options, this.shownPart(panel));
    this.editor.update(this.grid(panel), theme);
  }

  /** The chosen part where the layer has it, else its first. */
  private shownPart(panel: PanelState): KernelPart {
    const kernels = layerOf(panel)?.kernels ?? {};
    return kernels[this.chosenPart] ? this.chosenPart : (kernelParts.find(part => kernels[part]) ?? this.chosenPart);
  }

  /**
   * The head's kernel as the reader wants it, once the trained one is there. The layer's stays on the page while another
   * analysis asks for it again, so that what is typed meanwhile goes somewhere.
   */
  private grid(panel: PanelState): KernelGrid | null {
    const { layerIdx, headIdx } = panel.view;
    const part = this.shownPart(panel);
    const trained =
      this.kernels?.layer === layerKey(panel) ? this.kernels.values.find(kernel => kernel.part === part) : undefined;
    if (!trained) return null;
    const { rows, columns, identityColumn } = trained;
    const weights = headMatrix(ablatedWeights(trained, layerIdx, panel.ablation.requested), headIdx);
    return { part, shape: { rows, columns, identityColumn }, headIdx, weights };
  }

  private edit(weights: readonly number[] | null): void {
    const { panel } = this.context.store.state;
    if (!panel) return;
    const { layerIdx, headIdx } = panel.view;
    const edit = { part: this.shownPart(panel), layerIdx, headIdx, weights: weights && [...weights] };
    this.context.actions.setAblation(withEdit(panel.ablation.requested, edit));
  }

  private setKernel(to: 'trained' | 'identity' | 'zero'): void {
    const { panel } = this.context.store.state;
    const grid = panel && this.grid(panel);
    if (!panel || !grid) return;
    if (to === 'identity') this.edit(null);
    else if (to === 'zero') this.edit([...identityMatrix(grid.shape, grid.headIdx).fill(0)]);
    else this.takeBack(panel, grid.part);
  }

  /** Gives the shown head its trained weights; under a wider change that takes an edit of its own. */
  private takeBack({ view, ablation }: PanelState, part: KernelPart): void {
    const { layerIdx, headIdx } = view;
    const edits = ablation.requested.edits.filter(
      edit => !(edit.part === part && edit.layerIdx === layerIdx && edit.headIdx === headIdx),
    );
    const rest = { ...ablation.requested, edits };
    const trained = this.kernels?.values.find(kernel => kernel.part === part);
    if (editOf(rest, part, layerIdx, headIdx) && trained) this.edit([...headMatrix(trained, headIdx)]);
    else this.context.actions.setAblation(rest);
  }

  private onKey(event: KeyboardEvent): void {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const step = key === 'z' ? (event.shiftKey ? 'redo' : 'undo') : key === 'y' ? 'redo' : null;
    if (!step) return;
    event.preventDefault();
    this.context.actions.stepAblation(step);
  }

  /** Asks for the trained kernels of the shown layer. */
  private loadKernels(panel: PanelState): void {
    const { trainedId } = panel.ablation;
    const key = `${trainedId}/${panel.view.layerIdx}`;
    const layer = layerKey(panel);
    if (trainedId === null || key === this.kernels?.key || key === this.kernelsWanted) return;
    this.kernelsWanted = key;
    const { layerIdx } = panel.view;
    this.context.host.request('kernels', { analysisId: trainedId, layerIdx }, this.requests.signal).then(
      values => {
        this.kernels = { key, layer, values };
        this.kernelsWanted = '';
        this.update(this.context.store.state);
      },
      () => {
        this.kernelsWanted = '';
      },
    );
  }
}

/** Names the shown layer of the shown model. */
function layerKey({ model, view }: PanelState): string {
  return `${model?.directory}/${view.layerIdx}`;
}
