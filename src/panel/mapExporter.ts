/** Saves or copies the current map. */

import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { exportSource, shownMap } from '../analysis/exportSource';
import { readSettings } from '../contributions';
import { exportMap } from '../export/exportMap';
import { choiceFor, csvSidecar, exportName, factsFormat, factsJson, type MapChoice, mapFacts } from '../export/source';
import { showStatus, withProgress } from '../messages';
import type { ExportChoice, ExportFormat } from '../shared/panel/exportFormats';
import { Failure } from '../shared/tools/failure';

const formatNames: Readonly<Record<ExportFormat, string>> = {
  png: 'PNG',
  svg: 'SVG',
  csv: 'CSV',
  json: 'JSON',
  npz: 'NumPy',
  html: 'HTML',
};

/** UTF-16 units; beyond, editors and clipboards stall. */
const largestCopy = 32_000_000;

/** Bytes. */
const largestFacts = 1 << 20;

export class MapExporter {
  constructor(
    private readonly analysis: Analysis,
    private readonly extensionUri: vscode.Uri,
  ) {}

  /** Asks where and writes there. @returns false when the reader thought better of it. */
  async save(format: ExportFormat, exported: ExportChoice): Promise<boolean> {
    const source = exportSource(this.analysis);
    const choice = choiceFor(format, this.choice(exported));
    const name = exportName(mapFacts(source, choice), format);
    const folder = this.analysis.document && vscode.workspace.getWorkspaceFolder(this.analysis.document.uri);
    const uri = await vscode.window.showSaveDialog({
      ...(folder ? { defaultUri: vscode.Uri.joinPath(folder.uri, name) } : {}),
      filters: { [formatNames[format]]: [format] },
      title: vscode.l10n.t('Save the map as {0}', formatNames[format]),
    });
    if (!uri) return false;
    const progress = { location: vscode.ProgressLocation.Window, title: 'MTA Inspector' };
    const content = await withProgress(progress, () => this.content(format, exported));
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    try {
      await writeWhole(uri, bytes);
      if (format === 'csv') await this.writeFacts(uri.with({ path: csvSidecar(uri.path) }), factsJson(source, choice));
    } catch (error) {
      throw new Failure(
        'cannot-write',
        vscode.l10n.t('Cannot write {0}: {1}. Choose another place.', uri.fsPath, (error as Error).message),
      );
    }
    showStatus(vscode.l10n.t('MTA Inspector: saved {0}', uri.path.split('/').at(-1) ?? ''), 3000);
    return true;
  }

  /** Nobody chose this file's name: it replaces its like only. */
  private async writeFacts(uri: vscode.Uri, facts: ReturnType<typeof factsJson>): Promise<void> {
    const older = await statOf(uri);
    if (older && !(await this.isFacts(uri, older))) return;
    await writeWhole(uri, new TextEncoder().encode(`${JSON.stringify(facts, null, 1)}\n`));
  }

  /** A pipe would never answer, and facts are short. */
  private async isFacts(uri: vscode.Uri, { type, size }: vscode.FileStat): Promise<boolean> {
    if (type !== vscode.FileType.File || size > largestFacts) return false;
    const bytes = await vscode.workspace.fs.readFile(uri);
    return new TextDecoder().decode(bytes).includes(factsFormat);
  }

  /** @throws RangeError for a format that is not text. */
  async copy(format: ExportFormat, exported: ExportChoice): Promise<void> {
    const content = await this.content(format, exported);
    if (typeof content !== 'string') throw new RangeError(`${format} is not text`);
    if (content.length > largestCopy) {
      throw new Failure(
        'too-large',
        vscode.l10n.t(
          'Cannot copy as {0}: {1} MB is too much for the clipboard. Save it as a file instead.',
          formatNames[format],
          Math.round(content.length / 1e6),
        ),
      );
    }
    await vscode.env.clipboard.writeText(content);
    showStatus(vscode.l10n.t('MTA Inspector: copied as {0}', formatNames[format]), 3000);
  }

  async picture(exported: ExportChoice): Promise<Uint8Array> {
    return (await this.content('png', exported)) as Uint8Array;
  }

  private choice({ part, isAllStages }: ExportChoice): MapChoice {
    return { ...shownMap(this.analysis), part, isAllStages };
  }

  private content(format: ExportFormat, exported: ExportChoice): Promise<string | Uint8Array> {
    const source = exportSource(this.analysis);
    const choice = this.choice(exported);
    const { colorMap, scale } = exported;
    const dist = async (name: string) => {
      const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(this.extensionUri, 'dist', name));
      return new TextDecoder().decode(bytes);
    };
    return exportMap(source, format, {
      ...{
        choice,
        style: { colorMap, scale },
        topK: 16,
        layers: [choice.layer],
        hasByteOrderMark: readSettings().exportByteOrderMark,
      },
      heads: Array.from({ length: source.model.nHeads }, (_, headIdx) => headIdx),
      page: async () => ({ script: await dist('report.js'), style: await dist('report.css') }),
    });
  }
}

async function statOf(uri: vscode.Uri): Promise<vscode.FileStat | null> {
  return vscode.workspace.fs.stat(uri).then(
    stats => stats,
    () => null,
  );
}

/** An older file is replaced when the new one is whole: until then it has another name. What is no plain file is written through. */
async function writeWhole(uri: vscode.Uri, bytes: Uint8Array): Promise<void> {
  const { fs } = vscode.workspace;
  const older = await statOf(uri);
  if (older && older.type !== vscode.FileType.File) return fs.writeFile(uri, bytes);
  const beside = uri.with({ path: `${uri.path}.${randomUUID().slice(0, 8)}.tmp` });
  try {
    await fs.writeFile(beside, bytes);
    await fs.rename(beside, uri, { overwrite: true });
  } catch (error) {
    await fs.delete(beside).then(undefined, () => {});
    throw error;
  }
}
