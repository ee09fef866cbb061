/** Links to a view, and the view that was open when the window was reloaded: both open a document as it was seen. */

import * as vscode from 'vscode';
import type { Ablations } from '../analysis/ablations';
import type { AddedModels } from '../analysis/addedModels';
import type { Analysis } from '../analysis/analysis';
import type { Comparison } from '../analysis/comparison';
import { extensionId } from '../contributionIds';
import { failures } from '../errors';
import { DisposableStore } from '../lifecycle';
import { askText, pick, showInformation, showStatus } from '../messages';
import { noAblation } from '../shared/ablation';
import { isLinkable, type LinkTarget, linkQuery, parseLink } from '../shared/link';
import { Cancelled, toFailureData } from '../shared/tools/failure';
import { fileInWorkspace } from '../workspaceFiles';
import { linkedCounterpart } from './compareCommand';

const lastViewKey = 'mtaInspector.lastView';

/** What is kept over a reload. */
interface LastView {
  readonly uri: string;
  /** The query of a link to it. */
  readonly query: string;
  /** Whole, with edited weights, which a link has no room for. Checked when it is read. */
  readonly ablation?: unknown;
}

/** The panel's choice of view, as far as links have to do with it. */
export interface TabChoice {
  readonly shown: string | null;
  show(tab: string): void;
}

export class ViewLinks implements vscode.UriHandler, vscode.Disposable {
  private readonly store = new DisposableStore();

  constructor(
    private readonly analysis: Analysis,
    private readonly ablations: Ablations,
    private readonly comparison: Comparison,
    private readonly tabs: TabChoice,
    private readonly models: AddedModels,
    private readonly memory: vscode.Memento,
    private readonly log: vscode.LogOutputChannel,
    private readonly runReported: (run: () => Promise<void>) => Promise<void>,
    private readonly showPanel: () => void,
  ) {
    this.store.add(
      analysis.onDidChange(({ status }) => {
        if (status === 'done') this.remember();
      }),
    );
    this.store.add(
      comparison.onDidChange(state => {
        if (state === null || state.status === 'done') this.remember();
      }),
    );
  }

  /** VS Code has already asked whether this extension may open the link. */
  handleUri(uri: vscode.Uri): void {
    void this.runReported(() => this.open(uri));
  }

  async copyLink(): Promise<void> {
    const target = this.target();
    if (!target) throw failures.nothingToLink();
    const query = linkQuery(target);
    try {
      parseLink(query); // a link that cannot be opened again is worse than none
    } catch {
      throw failures.notLinkable(target.file);
    }
    await vscode.env.clipboard.writeText(`${vscode.env.uriScheme}://${extensionId}/view?${query}`);
    if (!isLinkable(this.analysis.snapshot.ablation.requested)) {
      void showInformation(
        vscode.l10n.t(
          'The link was copied without the ablation: edited weights do not fit into a link. It opens the model as trained.',
        ),
      );
    }
    const compared = this.comparison.shown;
    if (compared && !compared.link) {
      void showInformation(
        vscode.l10n.t(
          'The link was copied without the comparison: it cannot bring back {0}. It opens the shown view alone.',
          compared.label,
        ),
      );
    }
    showStatus(vscode.l10n.t('MTA Inspector: link copied'), 3000);
  }

  /** For links that cannot be clicked, as in a browser. */
  async openLink(): Promise<void> {
    const link = await askText({
      prompt: vscode.l10n.t('Link to a view, as Copy View Link makes it'),
      placeHolder: `${vscode.env.uriScheme}://${extensionId}/view?path=…`,
      validateInput: text => {
        try {
          if (text.trim() !== '') this.parse(vscode.Uri.parse(text.trim(), true));
          return null;
        } catch (error) {
          return (error as Error).message;
        }
      },
    });
    if (link?.trim()) await this.open(vscode.Uri.parse(link.trim(), true));
  }

  /** Shows the document that was inspected before the window was reloaded as it was seen, if it is open again. */
  async restore(): Promise<void> {
    const last = this.memory.get<LastView>(lastViewKey);
    const editor = vscode.window.visibleTextEditors.find(({ document }) => document.uri.toString() === last?.uri);
    if (!last || !editor || this.analysis.snapshot.status !== 'idle') return;
    try {
      // Each page of the panel finds its own tab again.
      const target = { ...parseLink(last.query), tab: null };
      await this.show(editor.document, target, last.ablation);
    } catch (error) {
      if (!(error instanceof Cancelled)) this.log.warn(toFailureData(error).message); // not the result of a user action
    }
  }

  dispose(): void {
    this.store.dispose();
  }

  private parse(uri: vscode.Uri): LinkTarget {
    if (uri.authority.toLowerCase() !== extensionId || uri.path !== '/view') {
      throw failures.badLink(
        vscode.l10n.t('it does not begin with {0}', `${vscode.env.uriScheme}://${extensionId}/view`),
      );
    }
    try {
      return parseLink(uri.query);
    } catch (error) {
      throw failures.badLink((error as Error).message);
    }
  }

  private async open(uri: vscode.Uri): Promise<void> {
    const target = this.parse(uri);
    const document = await vscode.workspace.openTextDocument(await findFile(target));
    await vscode.window.showTextDocument(document);
    this.showPanel();
    if (target.tab !== null) this.tabs.show(target.tab);
    await this.show(document, target);
  }

  private async show(document: vscode.TextDocument, target: LinkTarget, ablation: unknown = target.ablation) {
    const { layerIdx, headIdx, stage, difference, at, anchor } = target;
    this.analysis.setView({ layerIdx, headIdx, stage, difference });
    await this.analysis.inspect({ document, range: null, anchor: at ?? 0 });
    const token = at === null ? null : this.analysis.tokenAtOffset(at);
    this.analysis.selectToken(token, anchor === null ? null : this.analysis.tokenAtOffset(anchor));
    this.ablations.set(ablation); // throws where this model lacks what it names
    if (target.comparison) {
      await this.comparison.start(await linkedCounterpart(target.comparison, document, this.models));
    }
  }

  /** The view as a link names it; null without a document of the workspace. */
  private target(): LinkTarget | null {
    const { document, snapshot } = this.analysis;
    const { view, tokens, selectedToken, selectionAnchor, ablation } = snapshot;
    const folder = document && vscode.workspace.getWorkspaceFolder(document.uri);
    if (!document || !folder) return null;
    const offset = (token: number | null) => (token === null ? null : (tokens?.offsets[token] ?? null));
    return {
      ...{ folder: folder.name, file: vscode.workspace.asRelativePath(document.uri, false) },
      ...{ layerIdx: view.layerIdx, headIdx: view.headIdx, stage: view.stage, difference: view.difference },
      comparison: this.comparison.shown?.link ?? null,
      ...{ tab: this.tabs.shown, ablation: isLinkable(ablation.requested) ? ablation.requested : noAblation },
      ...{ at: offset(selectedToken), anchor: offset(selectionAnchor) },
    };
  }

  /** At once: the window may be reloaded at any moment, and VS Code collects what is written in one go. */
  private remember(): void {
    const target = this.target();
    const uri = this.analysis.document?.uri.toString();
    const ablation = this.analysis.snapshot.ablation.requested;
    if (target && uri) {
      void this.memory.update(lastViewKey, { uri, query: linkQuery(target), ablation } satisfies LastView);
    }
  }
}

/**
 * The file inside a folder of the workspace. Several folders may have the same name and the same file: then a person is
 * asked which. @throws Failure if there is none: a link opens nothing else.
 */
async function findFile({ folder, file }: LinkTarget): Promise<vscode.Uri> {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ name }) => folder === null || name === folder);
  const found: vscode.Uri[] = [];
  for (const { uri } of folders) {
    const place = await fileInWorkspace(vscode.Uri.joinPath(uri, ...file.split('/')), vscode.workspace);
    if (place) found.push(place);
  }
  if (!found[0]) throw failures.notInWorkspace(file);
  if (found.length === 1) return found[0];
  const items = found.map(uri => ({ label: file, description: uri.fsPath, uri }));
  const picked = await pick(items, {
    placeHolder: vscode.l10n.t('Several folders have this file: which one to open?'),
  });
  if (!picked) throw new Cancelled();
  return picked.uri;
}
