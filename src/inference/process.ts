/** Entry point of the inference process: wires the protocol over IPC to the engines, and ends with its parent. */

import { type Handlers, type None, Rpc } from '../shared/tools/rpc';
import { EngineSlots } from './engineSlots';
import { handlersOf } from './handlers';
import { endWithParent } from './parentWatch';
import type { InferenceEvents, InferenceRequests } from './protocol';
import { requestSchemas } from './requestSchemas';
import { hasUsedUpMemory } from './runtime/session';

endWithParent();

const engines = new EngineSlots((name, payload) => rpc.emit(name, payload));

const rpc = new Rpc<None, InferenceRequests, None, InferenceEvents>(
  {
    send: message => process.send?.(message),
    onMessage: listener => process.on('message', listener),
  },
  reportingExhaustion(handlersOf(engines)),
  { args: requestSchemas },
);

/** The same handlers; when one fails because memory is used up, the host is asked for another process. */
function reportingExhaustion(handlers: Handlers<InferenceRequests>): Handlers<InferenceRequests> {
  const reporting = Object.entries(handlers).map(([name, handle]) => [
    name,
    async (args: never, signal: AbortSignal) => {
      try {
        return await (handle as (args: never, signal: AbortSignal) => unknown)(args, signal);
      } catch (error) {
        if (hasUsedUpMemory(error)) rpc.emit('exhausted', null);
        throw error;
      }
    },
  ]);
  return Object.fromEntries(reporting) as Handlers<InferenceRequests>;
}
