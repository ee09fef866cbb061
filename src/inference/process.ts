/** Entry point of the inference process: wires the protocol over IPC to the engines, and ends with its parent. */

import { Rpc } from '../shared/tools/rpc';
import { EngineSlots } from './engineSlots';
import { handlersOf } from './handlers';
import { endWithParent } from './parentWatch';
import type { InferenceEvents, InferenceRequests } from './protocol';
import { requestSchemas } from './requestSchemas';

endWithParent();

const engines = new EngineSlots((name, payload) => rpc.emit(name, payload));

const rpc = new Rpc<Record<never, never>, InferenceRequests, Record<never, never>, InferenceEvents>(
  {
    send: message => process.send?.(message),
    onMessage: listener => process.on('message', listener),
  },
  handlersOf(engines),
  { args: requestSchemas },
);
