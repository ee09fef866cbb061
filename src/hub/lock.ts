/** One download of a repository at a time: a file that its owner touches while it works. */

import { open, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { Failure } from '../shared/tools/failure';
import { t } from '../shared/tools/l10n';

const touchMs = 5000;
/** The file of an owner that ended without removing it. */
const staleMs = 60_000;

/** @throws Failure `busy` where another process holds it. @returns lets go of it. */
export async function lock(path: string, what: string): Promise<() => Promise<void>> {
  const held = await open(path, 'wx').catch(async error => {
    if (error.code !== 'EEXIST') throw error;
    if (!(await isStale(path))) {
      throw new Failure(
        'busy',
        t('{0} is being downloaded by another window or program. Wait until it is done.', what),
      );
    }
    await rm(path, { force: true });
    return open(path, 'wx');
  });
  await held.close();
  await writeFile(path, String(process.pid));
  const timer = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), touchMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await rm(path, { force: true });
  };
}

async function isStale(path: string): Promise<boolean> {
  const file = await stat(path).catch(() => null);
  if (!file || Date.now() - file.mtimeMs > staleMs) return true;
  const pid = Number(await readFile(path, 'latin1').catch(() => ''));
  return Number.isInteger(pid) && pid > 0 && pid !== process.pid && !isRunning(pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
