// `node heap.mjs PID` with a Node of 22 or newer: what a Node process still holds once its garbage is collected, as JSON.
// The process opens its inspector on SIGUSR1, and closes it again. All use one port: a process that finds it taken gives up
// until the next signal, so the port has to be free before and after.
const pid = Number(process.argv[2]);
const address = 'http://127.0.0.1:9229/json/list';
const patienceMs = 60_000;
const end = Date.now() + patienceMs;

/** Waits for an answer of the inspector's, or undefined where nobody listens. */
const look = () =>
  fetch(address, { signal: AbortSignal.timeout(patienceMs) }).then(
    answer => answer.json(),
    () => undefined,
  );
const wait = (/** @type {number} */ ms) => new Promise(wake => setTimeout(wake, ms));
const untilFree = async () => {
  while (await look()) {
    if (Date.now() > end) throw new Error(`port 9229 was not free within ${patienceMs / 1000} s`);
    await wait(50);
  }
};

await untilFree();
let targets;
for (let i = 0; !targets; i++) {
  if (Date.now() > end) throw new Error(`process ${pid} did not open its inspector within ${patienceMs / 1000} s`);
  // Once more every five seconds: the port may have been taken for a moment.
  if (i % 100 === 0) process.kill(pid, 'SIGUSR1');
  await wait(50);
  targets = await look();
}
const socket = new WebSocket(targets[0].webSocketDebuggerUrl);
await new Promise((open, fail) => Object.assign(socket, { onopen: open, onerror: fail }));
let lastId = 0;
const waiting = new Map();
socket.onmessage = ({ data }) => {
  const { id, result } = JSON.parse(data);
  waiting.get(id)?.(result);
};
const ask = (/** @type {string} */ method, params = {}) =>
  new Promise(answer => {
    waiting.set(++lastId, answer);
    socket.send(JSON.stringify({ id: lastId, method, params }));
  });
for (let i = 0; i < 3; i++) await ask('HeapProfiler.collectGarbage');
const expression = 'JSON.stringify({ ...process.memoryUsage(), pid: process.pid })';
const { result } = await ask('Runtime.evaluate', { expression });
const usage = JSON.parse(result.value);
if (usage.pid !== pid) throw new Error(`port 9229 belongs to process ${usage.pid}, not ${pid}`);
console.log(result.value);
// It waits for its clients to go, so nobody can wait for its answer.
const close = 'setTimeout(() => process._debugEnd(), 100); 0';
await ask('Runtime.evaluate', { expression: close });
socket.close();
await untilFree();
