/**
 * Reads model folders in a process of its own, which is killed when it takes too long: a folder that hangs, or takes all
 * memory, does not affect the caller.
 */

import type { InferenceProcess } from '../inference/client';
import type { FolderRequests } from '../inference/protocol';
import { Failure } from '../shared/tools/failure';
import { type None, Rpc } from '../shared/tools/rpc';

type Channel = Rpc<FolderRequests, None, None, None>;

export class FolderReader {
  private last: Promise<unknown> = Promise.resolve();
  private current: { readonly process: InferenceProcess; readonly rpc: Channel } | undefined;
  private idle: NodeJS.Timeout | undefined;

  /**
   * @param idleMs after which a process that nobody asks is ended.
   * @param inWords puts failures into the reader's language.
   */
  constructor(
    private readonly start: () => InferenceProcess,
    private readonly idleMs = 5000,
    private readonly inWords = (failure: Failure): Failure => failure,
  ) {}

  /**
   * Asks about one folder; questions are answered one after the other.
   * @throws Failure `too-slow` after `maxMs`; `process` where the folder ended its reader; as the request does otherwise.
   */
  read<Name extends Exclude<keyof FolderRequests, 'configFacts'>>(
    name: Name,
    path: string,
    maxMs: number,
  ): Promise<ReturnType<FolderRequests[Name]>> {
    return this.ask(name, { path } as Parameters<FolderRequests[Name]>[0], path, maxMs);
  }

  /** The same about anything. @param what as messages name it. */
  ask<Name extends keyof FolderRequests>(
    name: Name,
    args: Parameters<FolderRequests[Name]>[0],
    what: string,
    maxMs: number,
  ): Promise<ReturnType<FolderRequests[Name]>> {
    const answer = this.last.then(() => this.askNow(name, args, what, maxMs));
    this.last = answer.catch(() => {});
    return answer;
  }

  dispose(): void {
    clearTimeout(this.idle);
    this.end();
  }

  private async askNow<Name extends keyof FolderRequests>(
    name: Name,
    args: Parameters<FolderRequests[Name]>[0],
    what: string,
    maxMs: number,
  ) {
    clearTimeout(this.idle);
    const { rpc } = this.connect();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `Cannot read ${what} within ${maxMs / 1000} s. Pick another model, or try again.`;
        reject(this.inWords(new Failure('too-slow', message, ['selectModel'])));
        this.end();
      }, maxMs);
    });
    const request = rpc.request(name, args as never);
    request.catch(() => {}); // it is too late for its own failure where the time is up
    try {
      return (await Promise.race([request, late])) as ReturnType<FolderRequests[Name]>;
    } finally {
      clearTimeout(timer);
      this.idle = setTimeout(() => this.end(), this.idleMs);
      this.idle.unref();
    }
  }

  private connect(): { readonly rpc: Channel } {
    if (this.current) return this.current;
    const process = this.start();
    const rpc: Channel = new Rpc(
      { send: message => process.send(message), onMessage: f => process.onMessage(f) },
      {},
      { failure: this.inWords },
    );
    const connection = { process, rpc };
    process.onExit(reason => {
      if (this.current === connection) this.current = undefined;
      const message = `The process that reads model folders ended (${reason}). Pick another model.`;
      rpc.close(this.inWords(new Failure('process', message, ['selectModel', 'showLog'])));
    });
    this.current = connection;
    return connection;
  }

  private end(): void {
    this.current?.process.kill();
    this.current = undefined;
  }
}
