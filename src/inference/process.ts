/** Entry point of the inference process: wires the protocol over IPC to the engine, and ends with its parent. */

import { Failure } from '../shared/failure';
import { Rpc } from '../shared/rpc';
import { Engine } from './engine';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from './protocol';

let engine: Engine | undefined;

function loaded(): Engine {
  if (!engine) throw new Failure('no-model', 'No model is loaded. Pick a model first.', ['selectModel']);
  return engine;
}

const rpc = new Rpc<Record<never, never>, InferenceRequests, Record<never, never>, InferenceEvents>(
  {
    send: message => process.send?.(message),
    onMessage: listener => process.on('message', listener),
  },
  {
    ping: () => null,
    async load(args) {
      if (args.protocolVersion !== protocolVersion) {
        throw new Failure(
          'protocol',
          `The inference process speaks version ${protocolVersion}, the extension ${args.protocolVersion}. Reload the window.`,
        );
      }
      await engine?.release();
      engine = undefined;
      engine = await Engine.load(args, (name, payload) => rpc.emit(name, payload));
      return { model: engine.model, provider: engine.provider, providerNote: engine.providerNote };
    },
    analyze: (args, signal) => loaded().analyze(args, signal),
    overview: args => loaded().overview(args),
    tile: args => loaded().tile(args),
    patch: args => loaded().patch(args),
  },
);

// Without its parent nobody can reach this process; it must not linger.
process.on('disconnect', () => process.exit(0));
