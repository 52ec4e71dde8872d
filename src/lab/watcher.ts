// A process beside each lab: when the lab has ended without leaving the registry, even by SIGKILL, leaves for it.
// It knows from its stdin, a pipe that only the lab holds. Arguments: directory, setting, pid, start of the lab.
import { leaveForDead } from './registry.ts';

const [directory = '', setting = '', pid = '', started = ''] = process.argv.slice(2);

process.stdin.resume();
process.stdin.on('error', () => undefined);
process.stdin.on('close', () => leaveForDead({ directory, setting }, { pid: Number(pid), started }));
