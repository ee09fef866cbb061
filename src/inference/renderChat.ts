/**
 * Entry point of the process that renders one chat template: a template is a program of the model's maker, without limits of
 * its own; `renderChat` in model/chatTemplate.ts starts this process with limits of time and memory. One request from standard input, one answer.
 */

import { endWithParent } from './parentWatch';
import { renderTemplate } from './renderTemplate';

endWithParent();

const chunks: Buffer[] = [];
process.stdin.on('data', (chunk: Buffer) => chunks.push(chunk));
process.stdin.on('end', () => {
  process.stdout.write(JSON.stringify(renderTemplate(JSON.parse(Buffer.concat(chunks).toString('utf8')))));
});
