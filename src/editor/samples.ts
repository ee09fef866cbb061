/** Texts in the box in which there is something to find. They are read-only documents: nothing is written anywhere. */

import * as vscode from 'vscode';
import type { ContributedModel } from '../analysis/contributedModels';
import { DisposableStore } from '../lifecycle';
import { pick } from '../messages';

export interface Sample {
  readonly name: string;
  readonly uri: vscode.Uri;
  /** What there is to find. */
  readonly description: string;
  /** The model that it was made for, as the setting names it; absent: any. */
  readonly model?: string;
  /** Text before the word that the tour explains, at its last place. */
  readonly finding?: string;
}

const scheme = 'mta-inspector-sample';

export class Samples implements vscode.Disposable, vscode.TextDocumentContentProvider {
  private readonly store = new DisposableStore();
  private readonly folder: vscode.Uri;

  constructor(
    private readonly extensionUri: vscode.Uri,
    /** Models that other extensions bring. */
    private readonly contributed: () => Promise<readonly Pick<ContributedModel, 'setting'>[]> = async () => [],
  ) {
    this.folder = vscode.Uri.joinPath(extensionUri, 'samples');
    this.store.add(vscode.workspace.registerTextDocumentContentProvider(scheme, this));
  }

  /** Those whose model is there. */
  async list(): Promise<Sample[]> {
    const found = await vscode.workspace.fs.readDirectory(this.folder);
    const names = found.map(([name]) => name);
    const models = await vscode.workspace.fs.readDirectory(vscode.Uri.joinPath(this.extensionUri, 'models', 'bundled'));
    // In an untrusted workspace models of other extensions do not run.
    const others = vscode.workspace.isTrusted ? await this.contributed() : [];
    const settings = [...models.map(([folder]) => folder), ...others.map(({ setting }) => setting)];
    const isThere = ({ name, model }: Omit<Sample, 'uri'>) =>
      names.includes(name) && (model === undefined || settings.includes(model));
    return known()
      .filter(isThere)
      .map(sample => ({ ...sample, uri: vscode.Uri.from({ scheme, path: sample.name }) }));
  }

  async provideTextDocumentContent({ path }: vscode.Uri): Promise<string> {
    return new TextDecoder().decode(await vscode.workspace.fs.readFile(vscode.Uri.joinPath(this.folder, path)));
  }

  /** Asks which sample, shows it and inspects it; or copies all to a folder of the reader's. */
  async open(inspect: (sample: Sample) => Promise<void>): Promise<void> {
    const samples = await this.list();
    const copy = {
      label: vscode.l10n.t('Copy all to a folder…'),
      iconPath: new vscode.ThemeIcon('files'),
      sample: undefined,
    };
    const separator = { label: '', kind: vscode.QuickPickItemKind.Separator, sample: undefined };
    const items = samples.map(sample => ({ label: sample.name, detail: sample.description, sample }));
    const picked = await pick([...items, separator, copy], {
      placeHolder: vscode.l10n.t('Sample to open and inspect'),
      matchOnDetail: true,
    });
    if (picked?.sample) await inspect(picked.sample);
    else if (picked) await this.copyAll(samples);
  }

  dispose(): void {
    this.store.dispose();
  }

  private async copyAll(samples: readonly Sample[]): Promise<void> {
    const [chosen] = (await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true })) ?? [];
    if (!chosen) return;
    const folder = vscode.Uri.joinPath(chosen, 'mta-inspector-samples');
    for (const { name } of samples) {
      const source = vscode.Uri.joinPath(this.folder, name);
      await vscode.workspace.fs.copy(source, vscode.Uri.joinPath(folder, name), { overwrite: true });
    }
    await vscode.commands.executeCommand('vscode.openFolder', folder, { forceNewWindow: true });
  }
}

/** Where the word that the tour explains begins; null where there is none. */
export function findingIn({ finding }: Sample, document: vscode.TextDocument): number | null {
  const at = finding === undefined ? -1 : document.getText().lastIndexOf(finding);
  return at < 0 ? null : at + finding!.length;
}

/** In the order in which a new reader should meet them. */
function known(): Omit<Sample, 'uri'>[] {
  return [
    {
      ...{ name: 'lighthouse.md', finding: 'Margaret ' },
      description: vscode.l10n.t('Prose: names that come back in the last sentence.'),
    },
    {
      ...{ name: 'letters.blocks', model: 'toy-mta-n5' },
      description: vscode.l10n.t(
        'The toy task: find the block that holds both letters. See what the convolution adds.',
      ),
    },
    {
      name: 'inventory.ts',
      description: vscode.l10n.t('TypeScript: which earlier line does "total" or "quantity" depend on?'),
    },
    {
      ...{ name: 'shapes.ts', model: 'mta-inspector.smollm2-mta/smollm2-mta', finding: 'assert(blueSquare === ' },
      description: vscode.l10n.t(
        'TypeScript: the number of the last line is looked up four lines above. mta-base does not find it.',
      ),
    },
    {
      name: 'tides.py',
      description: vscode.l10n.t('Python: names that are defined far above where they are used.'),
    },
  ];
}

/**
 * Shows a sample in an editor and does some work on its document, at once: a workbench may take a second to show a text,
 * and starts the services of its language then.
 */
export async function showWhile(
  { uri }: Sample,
  work: (document: vscode.TextDocument) => Promise<void>,
): Promise<void> {
  const document = await vscode.workspace.openTextDocument(uri);
  await Promise.all([vscode.window.showTextDocument(document), work(document)]);
}
