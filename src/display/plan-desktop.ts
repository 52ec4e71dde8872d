// The desktop's part of a plan: what the session that runs is told, and what keeps it for the next one.
import type { PlacedVideo } from './domain-video.ts';
import type { GuestFacts } from './guest-facts.ts';
import { framebufferLimit, memoryFor } from './memory.ts';
import { boxOf, type Monitor } from './monitors.ts';
import type { DisplayFacts, PlanPart, Step, Wish } from './plan.ts';
import type { OwnedFile, Session } from './session-facts.ts';
import { type SessionStep, sessionStep } from './session-step.ts';
import { framebufferBytes, printSize } from './size.ts';
import { keptText, type WaylandRefusal, waylandRefusal } from './wayland-step.ts';

export function desktopPart(facts: DisplayFacts, wish: Wish): PlanPart {
  if (!wish.aims.has('desktop')) return {};
  const { guest } = facts;
  if (guest === undefined) {
    return wish.via === 'guest'
      ? { impossible: [{ aim: 'desktop', reason: `the guest cannot be asked: ${facts.silence ?? ''}` }] }
      : {};
  }
  const tooSmall = memoryRefusal(facts, wish);
  if (tooSmall !== undefined) return { impossible: [{ aim: 'desktop', reason: tooSmall }] };
  const [session] = guest.sessions;
  if (session === undefined)
    return { notes: ["no desktop session runs in the guest; the next one starts with the console's size"] };
  const refusal = session.kind === 'wayland' ? waylandRefusal(session, wish.monitors) : undefined;
  if (refusal !== undefined) return refused(refusal, wish);
  const step = sessionStep(session, guest.connectors, wish.monitors);
  if (step !== undefined) {
    const owned = [session.compositor?.kept, guest.greeter].flatMap((file) => ownedStep(session, wish.monitors, file));
    return { steps: [...runningSteps(session, step), ...keptSteps(step, guest), ...owned] };
  }
  const connected = guest.connectors.length;
  if (wish.via !== 'guest')
    return { notes: [`the guest has ${connected} connectors as yet; its session is arranged after the restart`] };
  return {
    impossible: [
      { aim: 'desktop', reason: `the guest has ${connected} connectors for ${wish.monitors.length} monitors` },
    ],
  };
}

/** With the host's help the size comes into the list at the next start, and the session is arranged then. */
function refused({ text: reason, isUnlisted }: WaylandRefusal, { via, monitors }: Wish): PlanPart {
  if (via === 'guest' || !isUnlisted) return { impossible: [{ aim: 'desktop', reason }] };
  const sizes = monitors.map(({ size }) => printSize(size)).join(', ');
  return { notes: [`${reason}; the session is arranged after the restart, when ${sizes} is in it`] };
}

/** What GNOME and its log-in screen start with. */
function ownedStep(session: Session, monitors: readonly Monitor[], file: OwnedFile | undefined): readonly Step[] {
  const text = file === undefined || session.kind !== 'wayland' ? undefined : keptText(session, monitors, file);
  if (file === undefined || text === undefined || text === file.text) return [];
  const { path, user } = file;
  const why =
    user === session.user ? 'the next session starts with the same' : 'the log-in screen starts with the same';
  return [
    {
      kind: 'guest-file',
      path,
      before: file.text,
      after: text,
      user,
      afterwards: 'nothing',
      grub: undefined,
      needs: 'nothing',
      why,
    },
  ];
}

function runningSteps(session: Session, step: SessionStep): readonly Step[] {
  const why = step.unseen ? `the session's own tool; not verified by picture` : 'the session that runs now';
  return step.commands.length === 0 ? [] : [{ kind: 'session', session, step, needs: 'nothing', why }];
}

function keptSteps({ keep }: SessionStep, { xorgFile }: GuestFacts): readonly Step[] {
  if (keep === undefined || keep.text === xorgFile) return [];
  return [
    {
      kind: 'guest-file',
      path: keep.path,
      before: xorgFile,
      after: keep.text,
      afterwards: 'nothing',
      grub: undefined,
      needs: 'nothing',
      why: 'the next session starts with the same',
    },
  ];
}

/** With the memory that the device has now; `--via host` and `auto` make it larger for the next start. */
function memoryRefusal({ running, domain }: DisplayFacts, { monitors, via }: Wish): string | undefined {
  const device: PlacedVideo | undefined = (running ?? domain).devices.find(({ primary }) => primary);
  const limit = device === undefined ? undefined : framebufferLimit(device);
  const box = boxOf(monitors);
  if (device === undefined || limit === undefined || framebufferBytes(box) <= limit || via !== 'guest')
    return undefined;
  const memory = memoryFor(device.model, box, device.memory);
  const words = Object.entries(memory ?? {})
    .map(([name, kib]) => `${name} ${kib / 1024} MiB`)
    .join(', ');
  const needed =
    memory === undefined
      ? `no memory makes ${device.model} show that`
      : `it would need ${words}, and a cold restart: --via host`;
  return `${printSize(box)} needs ${(framebufferBytes(box) / 2 ** 20).toFixed(1)} MiB, and ${device.model} has ${limit / 2 ** 20} MiB for a picture; ${needed}`;
}
