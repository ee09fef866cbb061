/** A few words about a model, for lists: a folder, an ONNX or a GGUF file. */

import type { FolderDescription } from '../../shared/analysis';
import { describeFolder } from './describeFolder';
import { ggufFileOf } from './gguf/files';
import { describeGguf } from './gguf/openGguf';

/** @throws Failure if it cannot be read. */
export async function describeModel(path: string): Promise<FolderDescription> {
  const gguf = await ggufFileOf(path);
  return gguf ? describeGguf(gguf) : describeFolder(path);
}
