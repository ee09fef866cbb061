import { join } from 'node:path';
import { root } from '../fixtures/paths';

/** Where `ensurePeers` installs what the benchmark compares with. */
export const peersFolder = join(root, 'test', 'bench', 'peers');
