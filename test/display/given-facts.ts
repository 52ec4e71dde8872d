// What a plan is made of, where nothing speaks against it: the guest runs with the devices that it is defined with, nobody looks.
import { parseDomainDisplay } from '../../src/display/domain-video.ts';
import type { DisplayFacts } from '../../src/display/plan.ts';
import { nobodyViews } from '../../src/display/viewer.ts';

/** @throws Error when the definition cannot be read */
export function givenFacts(definition: string, more: Partial<DisplayFacts> = {}): DisplayFacts {
  const read = parseDomainDisplay(definition);
  if ('fault' in read) throw new Error(read.fault.message);
  return {
    definition,
    domain: read.value,
    running: read.value,
    guest: undefined,
    silence: undefined,
    transient: false,
    managedSave: false,
    memorySnapshots: [],
    viewing: nobodyViews,
    modelsHere: new Set(['qxl', 'vga', 'virtio']),
    ...more,
  };
}
