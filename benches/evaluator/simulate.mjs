// Times the engine of @cloud-copilot/iam-simulate: a JSON list of lists of cases on stdin; on stdout, for each list, the
// decisions and the median time for all of its cases. Policies are loaded beforehand.
import { text } from 'node:stream/consumers';
import { prepare } from '../../tests/differential/engine.mjs';

const ROUNDS = 301;
const REPETITIONS = 10;

const answers = JSON.parse(await text(process.stdin)).map((cases) => {
  const prepared = cases.map(prepare);
  const all = () => prepared.map((decide) => decide());
  // Long enough for the engine to be compiled.
  for (let warm = 0; warm < 2_000; warm += 1) all();
  const times = Array.from({ length: ROUNDS }, () => {
    const start = process.hrtime.bigint();
    for (let count = 0; count < REPETITIONS; count += 1) all();
    return Number(process.hrtime.bigint() - start) / REPETITIONS;
  }).sort((a, b) => a - b);
  return { decisions: all(), nanoseconds: times[ROUNDS >> 1] };
});
process.stdout.write(JSON.stringify(answers));
