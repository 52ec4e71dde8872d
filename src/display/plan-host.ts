// The host's part of a plan: the definition with its display devices changed, or why libvirt would not do it.
import { type DomainDisplay, parseDomainDisplay } from './domain-video.ts';
import { type HostStep, hostStep, type Layout } from './host-step.ts';
import { parseKernelArgs, printVideoArgument, sizeFor } from './kernel-args.ts';
import { menuNeedsOwnSize } from './menu-device.ts';
import type { Monitor } from './monitors.ts';
import type { Aim, DisplayFacts, PlanPart, Step, Wish } from './plan.ts';
import { isSameSize } from './size.ts';
import { spliceVideo } from './splice-video.ts';
import { waylandRefusal } from './wayland-step.ts';

/** The one place that console and desktop both hear of; not where the user keeps us out of it. */
export function hostPart(facts: DisplayFacts, wish: Wish): PlanPart {
  const { monitors, aims, via } = wish;
  if (via === 'guest') return {};
  const aim: Aim = aims.has('tty') ? 'tty' : aims.has('desktop') ? 'desktop' : 'grub';
  const needsSize = aims.has('tty') || menuNeedsOwnSize(facts, wish) || mustBeListed(facts, monitors, aims);
  const step = hostStep(facts.domain, monitors, needsSize ? 'size' : 'memory', layoutOf(facts, via));
  const told = aims.has('tty') && via === 'host' ? kernelRefusal(facts, monitors) : undefined;
  if (told !== undefined) return { impossible: [{ aim, reason: told }] };
  if (step.kind === 'nothing') return {};
  const refused = step.kind === 'impossible' ? [...step.reasons, ...otherModels(facts)] : definitionRefusals(facts);
  if (refused.length > 0) return { impossible: refused.map((reason) => ({ aim, reason })) };
  return { steps: [definitionStep(facts, step)] };
}

/** What the kernel was told in the guest, which is more than <resolution>, and which we are kept from there. */
function kernelRefusal({ guest }: DisplayFacts, monitors: readonly Monitor[]): string | undefined {
  const told = sizeFor(parseKernelArgs(guest?.commandLine ?? ''), 'Virtual-1');
  const [first] = monitors;
  if (told === undefined || first === undefined || isSameSize(told.size, first.size)) return undefined;
  return `the guest's kernel was told ${printVideoArgument(told)}, which is more than <resolution>: --via auto changes that`;
}

/** Heads of one device need the guest to be told of them: where it cannot be, each monitor is a device. */
export function layoutOf({ guest }: DisplayFacts, via: Wish['via']): Layout {
  return via === 'host' || guest?.bootLoader !== 'grub' ? 'devices' : 'heads';
}

/** What could be had instead, of what this host has; nobody's device is exchanged without being asked. */
function otherModels({ domain, modelsHere }: DisplayFacts): readonly string[] {
  const [device] = domain.devices.filter(({ primary }) => primary);
  if (device === undefined || !['cirrus', 'ramfb', 'vmvga'].includes(device.model)) return [];
  const better = ['virtio', 'vga', 'bochs', 'qxl'].filter((model) => modelsHere.has(model));
  return better.length === 0 ? [] : [`this host also has ${better.join(', ')}: virsh edit exchanges the model`];
}

/** A Wayland compositor shows what the kernel lists, and the device's own size is in that list. */
function mustBeListed({ guest }: DisplayFacts, monitors: readonly Monitor[], aims: ReadonlySet<Aim>): boolean {
  const session = guest?.sessions[0];
  if (!aims.has('desktop') || session?.kind !== 'wayland' || session.compositor?.outputs === undefined) return false;
  return waylandRefusal(session, monitors)?.isUnlisted === true;
}

function definitionRefusals({ transient, managedSave, memorySnapshots, domain }: DisplayFacts): readonly string[] {
  const found: string[] = [];
  if (transient)
    found.push('the domain is transient: it has no definition that a start would read (virsh define makes one)');
  if (managedSave)
    found.push(
      `its memory is saved, and the next start goes on with the old devices: virsh managedsave-remove ${domain.uuid}`,
    );
  if (memorySnapshots.length > 0) {
    found.push(
      `snapshots with memory (${memorySnapshots
        .slice(0, 3)
        .map((name) => JSON.stringify(name))
        .join(', ')}) would bring the old devices back`,
    );
  }
  return found;
}

function definitionStep({ definition, domain }: DisplayFacts, step: HostStep): Step {
  if (step.kind !== 'change') throw new Error('only a change has a step');
  const after = spliceVideo(definition, domain, step.changes, step.added);
  assertOnlyVideo(after, domain, step);
  return {
    kind: 'definition',
    before: definition,
    after,
    needs: 'cold restart',
    why: 'the size that console and desktop start with, and the memory for it',
  };
}

/** The spliced text is read again: it must say what was meant, and nothing else of it may have moved. */
function assertOnlyVideo(after: string, before: DomainDisplay, step: HostStep): void {
  const read = parseDomainDisplay(after);
  const count = before.devices.length + (step.kind === 'change' ? step.added.length : 0);
  if ('fault' in read || read.value.devices.length !== count || read.value.uuid !== before.uuid) {
    throw new Error('the changed definition does not say what it should');
  }
}
