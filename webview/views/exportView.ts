/** The current map in any export format, as it is seen or all of it, and a link to it. */

import type { Rect } from '../../src/shared/address';
import { formatLines } from '../../src/shared/labels';
import type { ExportChoice, ExportFormat } from '../../src/shared/panel/exportFormats';
import { linesOfLabels } from '../../src/shared/places';
import { joinParts } from '../../src/shared/tools/fileParts';
import { t } from '../../src/shared/tools/l10n';
import { radioGroup } from '../components/fields';
import { h, onChange } from '../dom';
import { visibleCells } from '../heatmap/hitTest';
import type { MapLoader } from '../heatmap/mapLoader';
import { fromSavedZoom } from '../heatmap/viewport';
import type { State } from '../state';
import { button, checkbox } from '../toolkit';
import type { ViewContext, ViewDefinition } from './view';

interface Form {
  readonly format: ExportFormat;
  readonly title: string;
  readonly what: string;
  readonly canCopy: boolean;
}

const forms: readonly Form[] = [
  {
    format: 'png',
    title: 'PNG',
    what: t('a figure with axes, scale and caption; letters of other scripts than Latin, Greek and Cyrillic are boxes'),
    canCopy: true,
  },
  {
    format: 'svg',
    title: 'SVG',
    what: t('the same figure with axes, scale and caption as vectors and text'),
    canCopy: true,
  },
  { format: 'csv', title: 'CSV', what: t('one line per cell that is not masked'), canCopy: true },
  {
    format: 'json',
    title: 'JSON',
    what: t('tokens, predictions, strongest keys and the map, always of the whole range'),
    canCopy: true,
  },
  { format: 'npz', title: 'NumPy', what: t('this stage of all heads of the layer, as arrays'), canCopy: false },
  {
    format: 'html',
    title: 'HTML',
    what: t('one interactive page with every stage of every head, which needs nothing else'),
    canCopy: false,
  },
];

export const exportView: ViewDefinition = {
  id: 'export',
  title: t('Export'),
  isOffered: host => host.hasEditor,
  usesHead: () => true,
  create({ store, actions, host, loader }: ViewContext) {
    const status = h('p', { class: 'hint', role: 'status' });
    const failure = h('p', { class: 'failure', role: 'alert', hidden: true });
    const waiting = h('p', { class: 'hint' }, t('Maps can be exported once the analysis is done.'));
    const list = h('ul', { class: 'export-list' });
    let isWhole = false;
    let isAllStages = false;
    const extent = radioGroup(
      t('PNG, SVG and CSV show'),
      [
        { value: 'visible', label: t('The visible part of the map') },
        { value: 'whole', label: t('The whole range') },
      ],
      value => {
        isWhole = value === 'whole';
      },
    );
    extent.set('visible');
    const part = h('p', { class: 'hint' });
    const stages = checkbox(t('All stages side by side, in PNG and SVG'), isChecked => {
      isAllStages = isChecked;
    });
    const exported = (): ExportChoice => {
      const { colorMap, scale } = store.state.layout;
      return { colorMap, scale, part: isWhole ? null : visiblePart(store.state, loader), isAllStages };
    };
    const describePart = onChange((labels: readonly string[], firstLine: number, rect: Rect | null, of: number) => {
      const lines = linesOfLabels(labels, firstLine);
      const last = rect && rect.queryStart + rect.nQueries - 1;
      part.textContent = rect
        ? t(
            'Visible: {0}, {1} queries × {2} keys.',
            ...[formatLines(lines[rect.queryStart]!, lines[last!]!, of), rect.nQueries, rect.nKeys],
          )
        : t('All of the map is visible.');
    });
    async function carryOut(what: string, work: () => Promise<string>): Promise<void> {
      failure.hidden = true;
      status.textContent = `${what} …`;
      try {
        status.textContent = await work();
      } catch (error) {
        status.textContent = '';
        failure.hidden = false;
        failure.textContent = (error as Error).message;
      }
    }
    const save = ({ format, title }: Form) =>
      carryOut(t('Saving as {0}', title), async () =>
        (await host.request('save', { format, ...exported() })) ? t('Saved as {0}.', title) : t('Nothing was saved.'),
      );
    const copy = ({ format, title }: Form) =>
      carryOut(t('Copying as {0}', title), async () => {
        const chosen = exported();
        if (format === 'png') await copyPicture(joinParts(partIdx => host.request('picture', { ...chosen, partIdx })));
        else await host.request('copy', { format, ...chosen });
        return t('Copied as {0}.', title);
      });
    list.append(
      ...forms.map(form =>
        h(
          'li',
          { class: 'export-form' },
          h('div', {}, h('strong', {}, form.title), `: ${form.what}.`),
          h(
            'div',
            { class: 'buttons' },
            button(t('Save…'), 'secondary', () => void save(form), t('Save… as {0}', form.title)),
            ...(form.canCopy
              ? [button(t('Copy'), 'secondary', () => void copy(form), t('Copy as {0}', form.title))]
              : []),
          ),
        ),
      ),
    );
    const element = h(
      'section',
      { class: 'export-view', 'aria-label': t('Export') },
      h('p', { class: 'hint' }, t('Each names its model, layer, head, stage, window and version.')),
      h('div', { class: 'export-extent' }, extent.element, part, stages.element),
      list,
      h(
        'div',
        { class: 'buttons' },
        button(t('Copy View Link'), 'secondary', () => actions.run('copyLink')),
      ),
      status,
      failure,
    );
    return {
      element,
      update(state: State): void {
        const { panel } = state;
        const isDone = panel?.status === 'done';
        if (panel?.tokens && panel.windowLines) {
          const { first, of } = panel.windowLines;
          describePart(panel.tokens.labels, first, visiblePart(state, loader), of);
        }
        waiting.hidden = isDone;
        list.classList.toggle('is-waiting', !isDone);
        for (const control of list.querySelectorAll('vscode-button')) control.toggleAttribute('disabled', !isDone);
      },
    };
  },
};

/** What is on screen of the map; where no map was on screen yet, what its zoom shows on a square. Null: all of it. */
function visiblePart({ panel, layout }: State, loader: MapLoader): Rect | null {
  const nTokens = panel?.tokens?.labels.length ?? 0;
  if (nTokens === 0) return null;
  const square = { width: 600, height: 600 };
  const { queryStart, queryEnd, keyStart, keyEnd } =
    loader.visible ?? visibleCells(fromSavedZoom(layout.zoom, nTokens, square), nTokens, square);
  // The first key is in a strip beside the map.
  if (queryStart === 0 && keyStart <= 1 && queryEnd >= nTokens && keyEnd >= nTokens) return null;
  if (queryEnd <= queryStart || keyEnd <= keyStart) return null;
  return { queryStart, keyStart, nQueries: queryEnd - queryStart, nKeys: keyEnd - keyStart };
}

/** The promise goes to the clipboard as it is: a browser allows writing only in answer to the reader's click. */
async function copyPicture(bytes: Promise<Uint8Array>): Promise<void> {
  const blob = bytes.then(data => new Blob([new Uint8Array(data)], { type: 'image/png' }));
  await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
}
