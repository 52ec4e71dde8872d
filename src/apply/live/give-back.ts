// Memory that was needed once: after a host of thousands of guests was compiled, V8 keeps hundreds of megabytes of pages for a next
// time that may never come. A daemon that runs beside guests gives them back.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: {
  readonly type: 'major';
  readonly execution: 'sync';
  readonly flavor: 'last-resort';
}) => void;

let collect: Collect | undefined;

/** Costs as much as two full collections of garbage: the first one frees pages, the second one lets go of them. */
export function giveMemoryBack(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  for (let time = 0; time < 2; time++) collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
