/** `mta-inspect download`: fetches a model from the Hugging Face hub into the cache that Python shares. */

import { getProxyForUrl } from 'proxy-from-env';
import { ProxyAgent, fetch as undiciFetch } from 'undici';
import { type DownloadProgress, download } from '../hub/download';
import { readHubSettings } from '../hub/hubSettings';
import { type DownloadPlan, planDownload } from '../hub/planDownload';
import { configFacts } from '../inference/modelFacts';
import { surroundings } from '../inference/stores/findModels';
import { parseRepository } from '../shared/repository';
import { Failure } from '../shared/tools/failure';
import { report } from './output';
import { oneLine } from './terminal';

export interface DownloadOptions {
  readonly revision: string | undefined;
  /** A GGUF file of the repository. */
  readonly gguf: string | undefined;
}

/**
 * @param say hears what the model is, before anything of it is fetched.
 * @returns the folder or file that was fetched.
 */
export async function downloadModel(
  text: string,
  { revision, gguf }: DownloadOptions,
  say: (line: string) => Promise<void>,
): Promise<string> {
  const repository = parseRepository(revision === undefined ? text : `${text}@${revision}`);
  if (!repository) {
    throw new Failure(
      'bad-usage',
      `"${text}" is not a model of the hub: name OWNER/NAME, and a revision that it can have.`,
    );
  }
  const hub = await readHubSettings(surroundings(), null, fetchByProxy);
  const cancel = new AbortController();
  const onInterrupt = () => cancel.abort();
  process.once('SIGINT', onInterrupt);
  try {
    const plan = await planDownload(hub, repository, gguf ?? null, cancel.signal);
    if (plan.files.length === 0) {
      throw new Failure(
        'bad-usage',
        `${plan.facts.id} has GGUF files only. Choose one with --gguf: ${plan.ggufs.join(', ')}.`,
      );
    }
    await say(describePlan(plan));
    const snapshot = await download(hub, plan, cancel.signal, showProgress);
    return gguf === undefined ? snapshot : `${snapshot}/${gguf}`;
  } finally {
    process.off('SIGINT', onInterrupt);
    if (process.stderr.isTTY) report('');
  }
}

/** @throws Failure for a model that could not be opened: it is not fetched. */
function describePlan({ facts, config, ...plan }: DownloadPlan): string {
  const known = config === null ? null : configFacts(config, plan.weightBytes);
  if (known?.problem) throw new Failure('bad-config', `Cannot use ${facts.id}: ${known.problem}`);
  const nParameters = known?.nParameters ?? facts.nParameters;
  const parts = [
    known?.family ?? facts.family ?? 'family unknown',
    ...(nParameters === null ? [] : [`${(nParameters / 1e6).toFixed(1)} M parameters`]),
    `license ${facts.license ?? 'not stated'}`,
    ...(facts.isGated ? ['gated'] : []),
    `${(plan.sizeBytes / 1e6).toFixed(1)} MB, ${(plan.missingBytes / 1e6).toFixed(1)} MB of it to fetch`,
    ...(known?.memoryBytes
      ? [
          `needs ${(known.memoryBytes / 1e6).toFixed(0)} MB of memory${known.fitsInMemory ? '' : ', more than the budget'}`,
        ]
      : []),
  ];
  return oneLine(`${facts.id}@${plan.revision} (${facts.commit.slice(0, 8)}): ${parts.join(', ')}`);
}

function showProgress({ name, doneBytes, totalBytes, secondsLeft }: DownloadProgress): void {
  if (!process.stderr.isTTY) return;
  const left = secondsLeft === null ? '' : `, ${Math.ceil(secondsLeft)} s left`;
  const [done, total] = [doneBytes, totalBytes].map(bytes => (bytes / 1e6).toFixed(1));
  process.stderr.write(`\r${`${done} of ${total} MB${left}, ${oneLine(name)}`.padEnd(79).slice(0, 79)}`);
}

/** Node's own fetch knows no proxies; here those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) are used. */
const fetchByProxy = ((url: URL, options: object) => {
  const proxy = getProxyForUrl(url.href);
  return undiciFetch(url, { ...options, ...(proxy ? { dispatcher: new ProxyAgent(proxy) } : {}) });
}) as unknown as typeof fetch;
