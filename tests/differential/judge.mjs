// Answers cases with the engine of @cloud-copilot/iam-simulate: one JSON case a line on stdin, one decision a line on
// stdout ("allowed", "explicitDeny", "implicitDeny", or null when the engine threw; the reason goes to stderr).
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { prepare } from './engine.mjs';

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  let answer = null;
  try {
    answer = prepare(JSON.parse(line))();
  } catch (error) {
    process.stderr.write(`judge: ${error.message}\n`);
  }
  if (!process.stdout.write(`${JSON.stringify(answer)}\n`)) await once(process.stdout, 'drain');
}
