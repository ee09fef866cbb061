/** Fetching models from the Hugging Face hub and removing them again: commands only, in trusted workspaces only. */

import * as vscode from 'vscode';
import type { FolderReader } from '../analysis/folderReader';
import { commands } from '../contributionIds';
import { readSettings } from '../contributions';
import { failures } from '../errors';
import { type DownloadProgress, download } from '../hub/download';
import { type Download, listDownloads, removeDownload } from '../hub/fetched';
import { type HubSettings, readHubSettings } from '../hub/hubSettings';
import { knownModels } from '../hub/knownModels';
import { type DownloadPlan, planDownload, searchModels } from '../hub/planDownload';
import { DisposableStore } from '../lifecycle';
import { askText, confirm, pick, pickOrType, showError, showInformation, withProgress } from '../messages';
import type { ModelFacts } from '../shared/foundModels';
import { huggingFaceCache, type Surroundings } from '../shared/modelPlaces';
import { parseRepository, type RepositoryRevision } from '../shared/repository';
import { Failure } from '../shared/tools/failure';
import { useModel } from './modelCommands';
import { megabytes, memoryText, modelText } from './modelTexts';
import { type RunReported, registerReported } from './reported';

const tokenKey = 'mtaInspector.hub.token';
const maxConfigMs = 5000;

export class HubCommands {
  private runReported: RunReported = run => run();

  constructor(
    private readonly secrets: vscode.SecretStorage,
    private readonly folders: FolderReader,
    private readonly here: Surroundings,
  ) {}

  /** @param runReported runs commands and reports failures. */
  register(runReported: RunReported): vscode.Disposable {
    const store = new DisposableStore();
    this.runReported = runReported;
    const register = registerReported(store, runReported);
    register(commands.addModelFromHub, () => this.addModel());
    register(commands.removeFromCache, () => this.remove());
    register(commands.setHubToken, async () => void (await this.setToken()));
    register(commands.clearHubToken, () => this.clearToken());
    return store;
  }

  private async addModel(): Promise<void> {
    if (!vscode.workspace.isTrusted) throw failures.untrustedDownload();
    const text = await askModel();
    if (!text) return;
    const repository = await this.chooseRepository(await this.readHub(), text);
    if (repository) await this.addRepository(repository);
  }

  private async readHub(): Promise<HubSettings> {
    return readHubSettings(this.here, (await this.secrets.get(tokenKey)) ?? null, fetch);
  }

  private async addRepository(repository: RepositoryRevision): Promise<void> {
    const hub = await this.readHub();
    try {
      const plan = await this.choosePlan(hub, repository);
      if (!plan || !(await this.confirmed(plan))) return;
      await useModel(await this.fetchModel(hub, plan));
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'gated') throw error;
      void this.runReported(() => this.offerAccess(error.message, `${hub.endpoint}/${repository.id}`, repository));
    }
  }

  /** The owner's terms are accepted on a page; then the same model is asked for again. */
  private async offerAccess(message: string, page: string, repository: RepositoryRevision): Promise<void> {
    const open = { title: vscode.l10n.t('Open Page') };
    const token = { title: vscode.l10n.t('Set Token…') };
    const again = { title: vscode.l10n.t('Try Again') };
    const chosen = await showError(message, open, token, again);
    if (chosen === open) {
      await vscode.env.openExternal(vscode.Uri.parse(page));
      return this.offerAccess(message, page, repository);
    }
    if (chosen === again || (chosen === token && (await this.setToken()))) await this.addRepository(repository);
  }

  private async chooseRepository(hub: HubSettings, text: string): Promise<RepositoryRevision | null> {
    const repository = typedRepository(text);
    if (repository) return repository;
    const title = vscode.l10n.t('Searching for "{0}"', text);
    const found = await cancellable(title, signal => searchModels(hub, text, signal));
    const items = found.map(({ id, license, isGated, nDownloads }) => ({
      label: id,
      description: [
        ...(license === null ? [] : [license]),
        ...(isGated ? [vscode.l10n.t('gated')] : []),
        ...(nDownloads === null
          ? []
          : [vscode.l10n.t('{0} downloads', nDownloads.toLocaleString(vscode.env.language))]),
      ].join(', '),
    }));
    const placeHolder =
      items.length > 0 ? vscode.l10n.t('Model to look at') : vscode.l10n.t('No model with safetensors has this name');
    const picked = await pick(items, { placeHolder });
    return picked ? parseRepository(picked.label) : null;
  }

  /** Nothing is kept yet. A repository of GGUF files alone asks for one of them. */
  private async choosePlan(hub: HubSettings, repository: RepositoryRevision): Promise<DownloadPlan | null> {
    const title = vscode.l10n.t('Looking at {0}', repository.id);
    const plan = await cancellable(title, signal => planDownload(hub, repository, null, signal));
    if (plan.files.length > 0) return plan;
    const placeHolder = vscode.l10n.t('GGUF file to fetch');
    const picked = await pick(
      plan.ggufs.map(label => ({ label })),
      { placeHolder },
    );
    return picked ? cancellable(title, signal => planDownload(hub, repository, picked.label, signal)) : null;
  }

  /** Shows what the model is and what would be fetched. @throws Failure for a model that could not be opened. */
  private async confirmed(plan: DownloadPlan): Promise<boolean> {
    const { facts, config, weightBytes: sizeBytes, revision } = plan;
    const unknown = { sizeBytes, memoryBytes: null, fitsInMemory: null, problem: null };
    const known: ModelFacts =
      config === null
        ? { ...unknown, family: facts.family, nParameters: facts.nParameters }
        : await this.folders.ask('configFacts', { config, sizeBytes }, facts.id, maxConfigMs);
    if (known.problem !== null) {
      throw new Failure('bad-config', vscode.l10n.t('Cannot use {0}: {1}', facts.id, known.problem));
    }
    const memory = memoryText(known, readSettings().memoryBudgetMb);
    const detail = [
      modelText(known),
      facts.license === null ? vscode.l10n.t('No license is stated.') : vscode.l10n.t('License: {0}', facts.license),
      ...(facts.isGated ? [vscode.l10n.t('Its owner gives access on request.')] : []),
      ...(memory === undefined ? [] : [memory]),
      vscode.l10n.t('Revision {0}, commit {1}', revision, facts.commit.slice(0, 8)),
      vscode.l10n.t('It goes to the Hugging Face cache, which Python shares: {0}', huggingFaceCache(this.here)),
    ];
    const question = vscode.l10n.t('Download {0}? {1} are fetched.', facts.id, megabytes(plan.missingBytes));
    return confirm(question, detail.join('\n'), vscode.l10n.t('Download'));
  }

  /** @returns what is to be opened. */
  private async fetchModel(hub: HubSettings, plan: DownloadPlan): Promise<string> {
    const { id } = plan.facts;
    const location = vscode.ProgressLocation.Notification;
    const options = { location, cancellable: true, title: vscode.l10n.t('Downloading {0}', id) };
    const snapshot = await withProgress(options, ({ report }, cancellation) => {
      let percent = 0;
      return download(hub, plan, signalOf(cancellation), progress => {
        const now = (100 * progress.doneBytes) / Math.max(1, progress.totalBytes);
        report({ increment: now - percent, message: progressText(progress) });
        percent = now;
      });
    });
    const gguf = plan.config === null ? plan.files[0]!.name : null;
    return gguf === null ? snapshot : this.here.join(snapshot, gguf);
  }

  private async remove(): Promise<void> {
    if (!vscode.workspace.isTrusted) throw failures.untrustedDownload();
    const cache = huggingFaceCache(this.here);
    const downloads = await listDownloads(cache);
    if (downloads.length === 0) throw failures.nothingFetched();
    const items = downloads.map(each => ({ ...textOf(each), each }));
    const picked = await pick(items, { placeHolder: vscode.l10n.t('Model to remove from the cache') });
    if (!picked) return;
    const { each } = picked;
    const question = vscode.l10n.t('Remove {0} from the cache? {1} are deleted.', each.id, megabytes(each.sizeBytes));
    const detail = vscode.l10n.t(
      'Only what this extension fetched is deleted. Other programs that use the model have to download it again.',
    );
    if (!(await confirm(question, detail, vscode.l10n.t('Remove')))) return;
    await removeDownload(cache, each);
    void showInformation(vscode.l10n.t('Removed {0} from the cache.', each.id));
  }

  /** @returns whether one was given. */
  private async setToken(): Promise<boolean> {
    const token = await askText({
      password: true,
      ignoreFocusOut: true,
      title: vscode.l10n.t('Hugging Face Token'),
      prompt: vscode.l10n.t('Access token for gated and private models; it is kept in the secret storage.'),
      validateInput: value => (/^[\x21-\x7e]*$/.test(value) ? null : vscode.l10n.t('A token has no blanks.')),
    });
    if (!token) return false;
    await this.secrets.store(tokenKey, token);
    void showInformation(vscode.l10n.t('The Hugging Face token is kept in the secret storage.'));
    return true;
  }

  private async clearToken(): Promise<void> {
    await this.secrets.delete(tokenKey);
    void showInformation(vscode.l10n.t('The Hugging Face token is deleted.'));
  }
}

/** An id or words to search for; known models are offered before anything is typed, and nothing is fetched for them. */
async function askModel(): Promise<string | undefined> {
  const heading = { label: vscode.l10n.t('Known families'), kind: vscode.QuickPickItemKind.Separator };
  const known = knownModels.map(({ id, family, nParameters, isGated }) => {
    const text = modelText({ family, nParameters, sizeBytes: null });
    return { label: id, description: isGated ? `${text}, ${vscode.l10n.t('gated')}` : text };
  });
  const picked = await pickOrType(
    [heading, ...known],
    text => (typedRepository(text) ? vscode.l10n.t('Model to look at') : vscode.l10n.t('Search Hugging Face')),
    {
      title: vscode.l10n.t('Add Model from Hugging Face'),
      placeholder: vscode.l10n.t('OWNER/NAME of a model, with @REVISION if need be, or words to search for.'),
    },
  );
  return typeof picked === 'object' ? picked.label : picked;
}

/** @returns null for words to search for: a name without its owner could be any of several. */
function typedRepository(text: string): RepositoryRevision | null {
  return text.includes('/') ? parseRepository(text) : null;
}

function textOf({ id, commit, refs, sizeBytes }: Download) {
  return { label: id, description: `${refs.join(', ') || commit.slice(0, 8)}, ${megabytes(sizeBytes)}` };
}

function progressText({ doneBytes, totalBytes, secondsLeft }: DownloadProgress): string {
  const [done, total] = [megabytes(doneBytes), megabytes(totalBytes)];
  if (secondsLeft === null) return vscode.l10n.t('{0} of {1}', done, total);
  const seconds = Math.ceil(secondsLeft);
  return seconds < 120
    ? vscode.l10n.t('{0} of {1}, {2} s left', done, total, seconds)
    : vscode.l10n.t('{0} of {1}, {2} min left', done, total, Math.ceil(seconds / 60));
}

function cancellable<T>(title: string, run: (signal: AbortSignal) => Promise<T>): Thenable<T> {
  const options = { location: vscode.ProgressLocation.Notification, cancellable: true, title };
  return withProgress(options, (_, cancellation) => run(signalOf(cancellation)));
}

function signalOf(cancellation: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (cancellation.isCancellationRequested) controller.abort();
  cancellation.onCancellationRequested(() => controller.abort());
  return controller.signal;
}
