/** The current map in any export format, and a link to it. */

import type { PictureStyle } from '../../src/shared/colorScale';
import type { ExportFormat } from '../../src/shared/panel/exportFormats';
import { joinParts } from '../../src/shared/tools/fileParts';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import type { State } from '../state';
import { button } from '../toolkit';
import type { ViewContext, ViewDefinition } from './view';

interface Form {
  readonly format: ExportFormat;
  readonly title: string;
  readonly what: string;
  readonly canCopy: boolean;
}

const forms: readonly Form[] = [
  { format: 'png', title: 'PNG', what: t('the cells as a picture, with a caption'), canCopy: true },
  {
    format: 'svg',
    title: 'SVG',
    what: t('a figure: axes, scale and caption as vectors around the picture'),
    canCopy: true,
  },
  { format: 'csv', title: 'CSV', what: t('one line per cell that is not masked'), canCopy: true },
  { format: 'json', title: 'JSON', what: t('tokens, predictions, strongest keys and the whole map'), canCopy: true },
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
  create({ store, actions, host }: ViewContext) {
    const status = h('p', { class: 'hint', role: 'status' });
    const failure = h('p', { class: 'failure', role: 'alert', hidden: true });
    const waiting = h('p', { class: 'hint' }, t('Maps can be exported once the analysis is done.'));
    const list = h('ul', { class: 'export-list' });
    const style = (): PictureStyle => {
      const { colorMap, scale } = store.state.layout;
      return { colorMap, scale };
    };
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
        (await host.request('save', { format, ...style() })) ? t('Saved as {0}.', title) : t('Nothing was saved.'),
      );
    const copy = ({ format, title }: Form) =>
      carryOut(t('Copying as {0}', title), async () => {
        const chosen = style();
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
      list,
      h(
        'div',
        { class: 'buttons' },
        button(t('Copy Link to This View'), 'secondary', () => actions.run('copyLink')),
      ),
      status,
      failure,
    );
    return {
      element,
      update({ panel }: State): void {
        const isDone = panel?.status === 'done';
        waiting.hidden = isDone;
        list.classList.toggle('is-waiting', !isDone);
        for (const control of list.querySelectorAll('vscode-button')) control.toggleAttribute('disabled', !isDone);
      },
    };
  },
};

/** The promise goes to the clipboard as it is: a browser allows writing only in answer to the reader's click. */
async function copyPicture(bytes: Promise<Uint8Array>): Promise<void> {
  const blob = bytes.then(data => new Blob([new Uint8Array(data)], { type: 'image/png' }));
  await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
}
