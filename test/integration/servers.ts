/** Servers of the Open Inference Protocol that tests start on the loopback address, and end again. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../fixtures/paths';

export interface Server {
  readonly process: ChildProcess;
  readonly rest: string;
  readonly grpc: string;
  /** What it wrote. */
  log(): string;
  end(): Promise<void>;
}

/** Ray Serve with our application. @param config as models/serving/config.py reads it, without ports. */
export async function startRay(python: string, repository: string, scratch: string, config: string): Promise<Server> {
  const [http, grpc] = await freePorts();
  const file = join(scratch, 'serving.yaml');
  writeFileSync(file, `${config}\nhttp_port: ${http}\ngrpc_port: ${grpc}\n`);
  const args = ['-m', 'serving.serve', repository, '--config', file];
  return started(
    spawn(python, args, { cwd: join(root, 'models'), env: { ...process.env, MTA_SERVING_TOKEN: token } }),
    http,
    grpc,
  );
}

/** The token that the Ray Serve application asks for. */
export const token = 'loopback-token';

/** MLServer with our ONNX runtime. */
export async function startMlserver(python: string, repository: string, scratch: string): Promise<Server> {
  const [http, grpc, metrics] = await freePorts();
  const folder = join(scratch, 'mlserver');
  mkdirSync(folder, { recursive: true });
  const settings = {
    host: '127.0.0.1',
    http_port: http,
    grpc_port: grpc,
    metrics_port: metrics,
    metrics_endpoint: null,
  };
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ ...settings, parallel_workers: 0 }));
  execFileSync('cp', ['-r', `${repository}/.`, folder]);
  const serving = join(root, 'models', 'serving');
  const env = { ...process.env, PYTHONPATH: [serving, process.env['PYTHONPATH']].filter(Boolean).join(delimiter) };
  return started(spawn(python, ['-m', 'mlserver.cli.main', 'start', folder], { cwd: folder, env }), http, grpc);
}

/** Pids of processes below `pid` whose command line matches. */
export function processesBelow(pid: number, pattern: RegExp): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const all = lines
    .map(line => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)!)
    .map(([, id, parent, args]) => ({
      ...{ pid: Number(id), parent: Number(parent), args: args! },
    }));
  const below = new Set([pid]);
  for (let size = 0; size !== below.size; ) {
    size = below.size;
    for (const entry of all) if (below.has(entry.parent)) below.add(entry.pid);
  }
  return all
    .filter(entry => entry.pid !== pid && below.has(entry.pid) && pattern.test(entry.args))
    .map(entry => entry.pid);
}

/** Where processes listen, read from /proc as `ss -ltnp` does. */
export function listenersOf(pids: readonly number[]): { pid: number; address: string; port: number }[] {
  const found: { pid: number; address: string; port: number }[] = [];
  for (const pid of pids) {
    let inodes: Set<string>;
    try {
      const links = readdirSync(`/proc/${pid}/fd`).map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`));
      inodes = new Set(links.flatMap(link => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
    } catch {
      continue; // ended meanwhile
    }
    for (const table of ['tcp', 'tcp6']) {
      for (const line of readFileSync(`/proc/net/${table}`, 'utf8').trim().split('\n').slice(1)) {
        const fields = line.trim().split(/\s+/);
        const [hex = '', port = ''] = fields[1]!.split(':');
        if (fields[3] !== '0A' || !inodes.has(fields[9]!)) continue;
        found.push({ pid, address: addressOf(hex), port: Number.parseInt(port, 16) });
      }
    }
  }
  return found;
}

/** An address as /proc has it: words of four bytes, each with its lowest byte first. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex').swap32();
  const dotted = bytes.subarray(-4).join('.');
  if (bytes.length === 4) return dotted;
  const head = bytes.subarray(0, 12);
  if (head.equals(Buffer.from('00000000000000000000ffff', 'hex'))) return `::ffff:${dotted}`;
  return bytes.equals(Buffer.from(`${'00'.repeat(15)}01`, 'hex')) ? '::1' : hex;
}

/** Those of the pids that still run a program of a server; a pid may belong to somebody else by now. */
function runningOf(pids: readonly number[]): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const servers = lines
    .filter(line => /ray|gcs_server|mlserver|serving/.test(line))
    .map(line => Number.parseInt(line, 10));
  return pids.filter(pid => servers.includes(pid));
}

/** Ends a process that may end by itself at any moment. */
function killIfRunning(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits until the server takes requests. */
async function started(child: ChildProcess, http: number, grpc: number): Promise<Server> {
  let written = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (written += chunk));
  const rest = `http://127.0.0.1:${http}`;
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const all = processesBelow(child.pid!, /./);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await exited;
    clearTimeout(timer);
    // Whatever outlives its server would hold these pipes, and the machine.
    for (const pid of runningOf(all)) killIfRunning(pid);
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const server = { process: child, rest, grpc: `grpc://127.0.0.1:${grpc}`, log: () => written, end };
  for (let attempt = 0; attempt < 1500; attempt++) {
    if (child.exitCode !== null) break;
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${rest}/v2/health/ready`, { headers, redirect: 'error' }).catch(() => null);
    if (answer?.ok && (await isListening(grpc))) return server;
    await sleep(200);
  }
  await end();
  throw new Error(`The server did not start:\n${written.slice(-4000)}`);
}

async function isListening(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise(resolve => {
    probe.once('error', () => resolve(true));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(false)));
  });
}

async function freePorts(): Promise<[number, number, number]> {
  const probes = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const probe = createServer().listen(0, '127.0.0.1');
      await once(probe, 'listening');
      return probe;
    }),
  );
  const ports = probes.map(probe => (probe.address() as { port: number }).port);
  for (const probe of probes) probe.close();
  return ports as [number, number, number];
}
