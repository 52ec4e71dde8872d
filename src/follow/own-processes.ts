// Which processes are ours: so that a change of the rules that we made is not taken for somebody else's.
import type { Access } from '../machine/access.ts';

/** What a process did is told a little later than it ends; after that its number may be another's. */
const memoryMs = 2_000;

export class OwnProcesses {
  readonly #pids = new Set<number>();
  readonly #tell: (pid: number, isOver: boolean) => void;

  /** @param tell of each process that is started, and when it has ended */
  constructor(tell: (pid: number, isOver: boolean) => void = () => undefined) {
    this.#tell = tell;
  }

  /** The same access; what is started by it is remembered. */
  remembering(access: Access): Access {
    return {
      ...access,
      start: (program, args, input) => {
        const child = access.start(program, args, input);
        const { pid } = child;
        if (pid !== undefined) {
          this.add(pid);
          child.once('exit', () => this.forget(pid));
        }
        return child;
      },
    };
  }

  add(pid: number): void {
    this.#pids.add(pid);
    this.#tell(pid, false);
  }

  /** Not at once. */
  forget(pid: number): void {
    this.#tell(pid, true);
    setTimeout(() => this.#pids.delete(pid), memoryMs).unref();
  }

  has(pid: number): boolean {
    return this.#pids.has(pid);
  }
}
