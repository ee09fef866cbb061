/** Entry point of the inference process: wires the protocol over IPC to the engines, and ends with its parent. */

import { Failure } from '../shared/failure';
import { Rpc } from '../shared/rpc';
import { EngineSlots } from './engineSlots';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from './protocol';

const engines = new EngineSlots((name, payload) => rpc.emit(name, payload));

const rpc = new Rpc<Record<never, never>, InferenceRequests, Record<never, never>, InferenceEvents>(
  {
    send: message => process.send?.(message),
    onMessage: listener => process.on('message', listener),
  },
  {
    ping: () => null,
    async load({ protocolVersion: spoken, ...args }) {
      if (spoken !== protocolVersion) {
        throw new Failure(
          'protocol',
          `The inference process speaks version ${protocolVersion}, the extension ${spoken}. Reload the window.`,
        );
      }
      const { model, provider, providerNote } = await engines.load(args);
      return { model, provider, providerNote };
    },
    unload: ({ slot }) => engines.clear(slot),
    analyze: (args, signal) => engines.of(args.slot).analyze(args, signal),
    overview: args => engines.holding(args.analysisId).details.overview(args),
    tile: args => engines.holding(args.analysisId).details.tile(args),
    patch: args => engines.holding(args.analysisId).details.patch(args),
    ablate: (args, signal) => engines.holding(args.baseId).ablate(args, signal),
    rankAblations: (args, signal) => engines.holding(args.analysisId).rankAblations(args, signal),
    headMeasures: args => engines.holding(args.analysisId).details.headMeasures(args),
    kernels: args => engines.holding(args.analysisId).details.kernels(args),
    largestChanges: args => engines.holding(args.analysisId).details.largestChanges(args),
    relevance: (args, signal) => engines.holding(args.analysisId).details.relevance(args, signal),
    occlude: (args, signal) => engines.holding(args.analysisId).occlude(args, signal),
    readMapText: args => engines.of().readMapText(args),
    mapDocument: (args, signal) => engines.of().mapDocument(args, signal),
  },
);

// Without its parent nobody can reach this process; it must not linger.
process.on('disconnect', () => process.exit(0));
