// A process that builds a lab, runs something in it and waits to be killed; prints the pids of its three agents.
import { buildScene } from '../../src/lab/namespaces.ts';
import { guestName, linkedBridges } from './scenes.ts';

const lab = await buildScene(linkedBridges(1, 2));
const pids = ['host', guestName(0), guestName(1)].map((name) => lab.node(name).pid);
const running = lab.node('host').run(['sleep', '99'], { timeoutMs: 99_000 });
await lab.node('host').run(['true']);
console.log(JSON.stringify(pids));
await running;
