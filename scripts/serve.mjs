// `npm run serve`: serves a model over the Open Inference Protocol with Ray Serve, without any container.
//   npm run serve                                 the first bundled model on http://127.0.0.1:8000 and grpc://127.0.0.1:8001
//   npm run serve -- --model NAME|DIR             another model
//   npm run serve -- --config FILE                settings of models/serving/config.py: replicas, groups of layers, ports
//   npm run serve -- --address HOST:PORT          on a Ray cluster that runs already
//   npm run serve -- --open                       for all who reach the ports; else clients need a token, which is printed
// MTA_SERVING_TOKEN, or the file that MTA_SERVING_TOKEN_FILE names, is the token instead of a new one.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuild, ensureNodeModules, ensureServing, root } from './setup.mjs';

const callerFolder = process.env['INIT_CWD'] ?? process.cwd();
const cli = join(root, 'dist', 'cli.cjs');

function main() {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      config: { type: 'string' },
      address: { type: 'string' },
      open: { type: 'boolean' },
    },
  });
  ensureNodeModules();
  ensureBuild();
  const python = ensureServing();
  // Written anew every time: a model folder may have changed, and writing takes as long as copying it.
  const id = createHash('sha256')
    .update(values.model ?? '')
    .digest('hex')
    .slice(0, 8);
  const repository = join(root, 'models', '.cache', 'served', id);
  rmSync(repository, { recursive: true, force: true });
  const model = values.model ? ['--model', values.model] : [];
  const options = { cwd: callerFolder, stdio: /** @type {const} */ ('inherit') };
  execFileSync(process.execPath, [cli, 'export-repository', ...model, '--out', repository], options);
  const config = values.config ? ['--config', resolve(callerFolder, values.config)] : [];
  const address = values.address ? ['--address', values.address] : [];
  const args = ['-m', 'serving.serve', repository, ...config, ...address, ...(values.open ? ['--open'] : [])];
  const server = spawn(python, args, { cwd: join(root, 'models'), stdio: 'inherit' });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => server.kill(signal));
  server.on('exit', code => {
    process.exitCode = code ?? 1;
  });
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
