/** One line on the whole text: which heads copy, which convolution matters, and which word was least expected. */

import { headKindOf, headKinds } from '../../src/attention/headKinds';
import { withLocalMark } from '../../src/shared/labels';
import type { Ranking } from '../../src/shared/panel/panelAblation';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { t } from '../../src/shared/tools/l10n';
import { sayRanking } from '../ablationText';
import { h, redraw } from '../dom';
import { bestConvolution, leastExpected, unaskedTrials } from '../fileFindingsText';
import { HeadsLoader } from '../headsLoader';
import { Pace, withTimeLeft } from '../pace';
import type { Places } from '../places';
import type { State } from '../state';
import { button } from '../toolkit';
import type { ViewContext } from '../views/view';

/** @param onMeasured called after each layer whose heads were measured. */
export function createFileFindings(
  { host, actions, store }: ViewContext,
  select: (tokenIdx: number) => void,
  onMeasured: () => void,
) {
  const heads = new HeadsLoader(host, onMeasured);
  const title = h('h2', {}, t('In this file'));
  const said = h('p', { class: 'why-file' });
  const progress = h('progress', { 'aria-label': t('Parts tried') });
  const cancel = button(t('Cancel'), 'secondary', stop, t('Cancel measuring the file'));
  const start = button(t('Measure'), 'secondary', () => measure(), t('Measure which convolution matters'));
  const tools = h('div', { class: 'why-tools' }, progress, start, cancel);
  const element = h('section', { class: 'why-findings', 'aria-label': t('In this file') }, title, said, tools);
  const pace = new Pace();
  const rankingPace = new Pace();
  let ranking: Ranking | null = null;
  let places: Places | null = null;
  /** Runs that were measured, or whose measuring the reader cancelled. */
  let begun = -1;
  let cancelled = -1;
  /** Trials so far of a ranking that ends with the convolutions, since all parts would take too long unasked. */
  let nTried: number | null = null;
  host.on('ranking', state => {
    ranking = state;
    endAfterConvolutions(state);
    draw(store.state);
  });
  host.request('ranking', {}).then(
    state => {
      ranking ??= state;
    },
    () => {}, // Without an answer there is no ranking yet.
  );

  function measure(): void {
    void host.request('rankAblations', { withHeads: false }).catch(() => {});
  }

  function endAfterConvolutions(state: Ranking | null): void {
    if (nTried === null) return;
    // One that begins anew was asked for.
    const isOurs = state?.status === 'running' && state.done >= nTried;
    nTried = isOurs ? state.done : null;
    if (!isOurs || !bestConvolution(state, store.state.panel?.model?.layers ?? [])) return;
    nTried = null;
    void host.request('cancelRanking', {}).catch(() => {});
  }

  function stop(): void {
    cancelled = store.state.panel?.analysisId ?? -1;
    heads.stop();
    void host.request('cancelRanking', {}).catch(() => {});
    draw(store.state);
  }

  /** The ranking of the current text, if there is one. */
  function current(panel: PanelState | null): Ranking | null {
    return ranking && ranking.trainedId === panel?.ablation.trainedId ? ranking : null;
  }

  function draw({ panel }: State): void {
    element.hidden = panel?.status !== 'done' || !panel.tokens;
    if (element.hidden || !panel?.tokens || !panel.model) return;
    const { model } = panel;
    const parts: (Node | string)[] = [];
    const isMeasured = heads.layersMeasured >= model.nLayers;
    // Counts of some layers would be wrong for the model.
    const leftMs = pace.leftMs(isMeasured ? null : panel.analysisId, heads.layersMeasured, model.nLayers);
    if (!isMeasured && heads.layersMeasured > 0) {
      const count = t('{0} of {1} layers measured', heads.layersMeasured, model.nLayers);
      parts.push(`${withTimeLeft(count, leftMs)}.`);
    }
    if (isMeasured) {
      const kinds = heads.heads.map(head => ({ ...head, kind: headKindOf(head.values).name }));
      const countOf = (kind: string) => kinds.filter(head => head.kind === kind).length;
      const [inducing, copying, looking] = [countOf('induction'), countOf('copying'), countOf('previous_token')];
      parts.push(
        headsLink(
          inducing === 1 ? t('1 head continues repeated text') : t('{0} heads continue repeated text', inducing),
          'induction',
        ),
        ' · ',
        headsLink(copying === 1 ? t('1 other head copies') : t('{0} other heads copy', copying), 'copying'),
        ' · ',
        headsLink(
          looking === 1 ? t('1 head looks at the token before') : t('{0} heads look at the token before', looking),
          'previous_token',
        ),
      );
    }
    const rank = current(panel);
    const best = rank && bestConvolution(rank, model.layers);
    if (best) {
      const { layerIdx, bits } = best;
      const text = t('convolution of L{0} matters most ({1} bits)', layerIdx, withLocalMark(bits.toFixed(2)));
      parts.push(
        ' · ',
        link(text, () => actions.showTab('ablation')),
      );
    }
    const least = places && leastExpected(panel.tokens, places);
    if (least) {
      const { text, line, bits, tokenIdx } = least;
      const name = t('least expected: `{0}` in line {1}, {2} bits', text, line, withLocalMark(bits.toFixed(1)));
      parts.push(
        ...(parts.length > 0 ? [' · '] : []),
        link(name, () => select(tokenIdx)),
      );
    }
    const isRanking = rank?.status === 'running';
    const rankingLeftMs = rankingPace.leftMs(isRanking ? rank.trainedId : null, rank?.done ?? 0, rank?.total ?? 0);
    if (isRanking) {
      parts.push(...(parts.length > 0 ? [' · '] : []), t('parts of the model: {0}', sayRanking(rank, rankingLeftMs)));
    }
    redraw(said, ...parts);
    const isMeasuring = !isMeasured && cancelled !== panel.analysisId;
    progress.hidden = !isRanking && !isMeasuring;
    progress.max = isRanking ? Math.max(1, rank.total) : model.nLayers;
    progress.value = isRanking ? rank.done : heads.layersMeasured;
    cancel.hidden = progress.hidden;
    const hasConvolution = model.layers.some(({ kernels }) => kernels.pre_softmax_conv ?? kernels.post_softmax_conv);
    start.hidden = !hasConvolution || isRanking || isMeasuring || best !== null;
    tools.hidden = cancel.hidden && start.hidden;
    Object.assign(element.dataset, { layers: heads.layersMeasured, ranking: rank?.status ?? 'none' });
  }

  /** Leads to the heads of a kind. */
  function headsLink(text: string, kind: string): HTMLElement {
    return link(
      text,
      () => {
        actions.setLayout({ headKind: kind });
        actions.showTab('heads');
      },
      headKinds.find(({ name }) => name === kind)?.meaning,
    );
  }

  return {
    element,
    /** What a head mostly does here; empty until it is measured. */
    kindOf(layerIdx: number, headIdx: number): string {
      const found = heads.heads.find(head => head.layerIdx === layerIdx && head.headIdx === headIdx);
      return found ? headKindOf(found.values).label : '';
    },
    /** @param isQuiet nothing that the reader asked for is under way. */
    update(state: State, names: Places | null, isQuiet: boolean): void {
      const { panel } = state;
      places = names;
      if (
        isQuiet &&
        panel?.status === 'done' &&
        panel.analysisId !== cancelled &&
        panel.ablation.shown.edits.length === 0
      ) {
        heads.show(panel);
        const isMeasured = heads.layersMeasured >= (panel.model?.nLayers ?? 0);
        if (isMeasured && begun !== panel.analysisId && !current(panel)) {
          begun = panel.analysisId;
          const trials = unaskedTrials(panel);
          nTried = trials === 'convolutions' ? 0 : null;
          if (trials !== 'none') measure();
        }
      }
      draw(state);
    },
    hide(): void {
      heads.stop();
      nTried = null; // on another page the reader may ask for a ranking
    },
  };
}

function link(text: string, onClick: () => void, title = ''): HTMLElement {
  const element = h('button', { class: 'why-link', type: 'button', title }, text);
  element.addEventListener('click', onClick);
  return element;
}
