// A QEMU that no libvirt runs, by its monitor's socket: its display devices, who looks, and its pictures. It is asked and given
// keys; nothing of it is changed, since it has no definition that a next start would read.
// Sources: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html; QEMU's composition tree in docs/devel/qom.rst
import { modelOf, type QemuDevice, type QemuFacts, qemuDisplay, videoDevices, videoProperties } from '../qemu-video.ts';
import { spiceViewers, type Viewing, vncViewers } from '../viewer.ts';
import { askAgentSocket } from './agent-socket.ts';
import type { LiveDisplay } from './display-facts.ts';
import { agentGuest, type Guest } from './guest.ts';
import { type GuestWay, insideOf } from './inside.ts';
import { pressKeys, screenshotOf } from './qemu-picture.ts';
import { Qmp } from './qmp.ts';

const qmpPrefix = 'qmp:';

/**
 * QEMU speaks to one at a time: the connection is there for the action, and closed then.
 * @param path of the socket. @throws HostError 'qmp', 'usage', and as the way into the guest
 */
export async function withQemu<T>(path: string, way: GuestWay, action: (live: LiveDisplay) => Promise<T>): Promise<T> {
  const qmp = await Qmp.open(path);
  try {
    return await action(await readQemu(qmp, path, way));
  } finally {
    qmp.close();
  }
}

async function readQemu(qmp: Qmp, path: string, way: GuestWay): Promise<LiveDisplay> {
  const devices = await devicesOf(qmp);
  const drawing = videoDevices(devices);
  const lines = await characterDevices(qmp);
  const viewing = await viewingOf(qmp, portLine(devices, lines, 'com.redhat.spice.0'));
  const facts = await qemuFacts(qmp, path, viewing);
  const domain = qemuDisplay(facts, drawing);
  const inside = await insideOf(agentBehind(portLine(devices, lines, 'org.qemu.guest_agent.0')), way, true);
  return {
    uuid: facts.uuid,
    outside: {
      screenshot: (screen) => screenshotOf(qmp, path, drawing, screen),
      sendKeys: (keys) => pressKeys(qmp, keys),
    },
    guest: inside.guest,
    facts: {
      definition: '',
      domain,
      running: domain,
      guest: inside.facts,
      silence: inside.silence,
      readFrom: inside.readFrom,
      transient: true,
      managedSave: false,
      memorySnapshots: [],
      viewing,
      modelsHere: new Set(),
    },
  };
}

const folders = ['/machine/peripheral', '/machine/peripheral-anon', '/machine/unattached'];

async function devicesOf(qmp: Qmp): Promise<readonly QemuDevice[]> {
  const devices: QemuDevice[] = [];
  for (const folder of folders) {
    for (const { name, type } of await childrenOf(qmp, folder)) {
      const wanted =
        type === 'virtserialport' ? ['name', 'chardev'] : modelOf(type) === undefined ? [] : videoProperties;
      if (wanted.length === 0) continue;
      const properties = new Map<string, unknown>();
      for (const property of wanted) properties.set(property, await propertyOf(qmp, `${folder}/${name}`, property));
      devices.push({ type, id: folder === folders[0] ? name : undefined, properties });
    }
  }
  return devices;
}

type Child = { readonly name: string; readonly type: string };

async function childrenOf(qmp: Qmp, path: string): Promise<readonly Child[]> {
  const answer = await qmp.ask('qom-list', { path }).catch(() => []);
  const entries = Array.isArray(answer) ? answer.slice(0, 4_096) : [];
  return entries.flatMap((entry: { readonly name?: unknown; readonly type?: unknown }) => {
    const type = /^child<([\w.-]{1,64})>$/.exec(String(entry.type))?.[1];
    return type === undefined ? [] : [{ name: String(entry.name), type }];
  });
}

/** undefined where the device has none of this name. */
async function propertyOf(qmp: Qmp, path: string, property: string): Promise<unknown> {
  return qmp.ask('qom-get', { path, property }).catch(() => undefined);
}

type Line = { readonly label?: unknown; readonly filename?: unknown; readonly 'frontend-open'?: unknown };

async function characterDevices(qmp: Qmp): Promise<readonly Line[]> {
  const answer = await qmp.ask('query-chardev').catch(() => []);
  return Array.isArray(answer)
    ? answer.slice(0, 4_096).filter((line) => typeof line === 'object' && line !== null)
    : [];
}

/** What the guest's port of this name is connected to. */
function portLine(devices: readonly QemuDevice[], lines: readonly Line[], name: string): Line | undefined {
  const port = devices.find(({ properties }) => properties.get('name') === name);
  return port === undefined ? undefined : lines.find(({ label }) => label === port.properties.get('chardev'));
}

async function viewingOf(qmp: Qmp, agent: Line | undefined): Promise<Viewing> {
  const ask = (command: string) => qmp.ask(command).catch(() => undefined);
  return {
    spice: spiceViewers(await ask('query-spice')),
    vnc: vncViewers(await ask('query-vnc')),
    agentListens: agent?.['frontend-open'] === true,
  };
}

/** A channel that is a socket on which QEMU waits: anybody may be its other end. */
function agentBehind(line: Line | undefined): Guest | undefined {
  const path = /^(?:disconnected:)?unix:(\/[^,]{1,200})(?:,server.*)?$/.exec(String(line?.filename))?.[1];
  return path === undefined ? undefined : agentGuest((command, seconds) => askAgentSocket(path, command, seconds));
}

async function qemuFacts(qmp: Qmp, path: string, viewing: Viewing): Promise<QemuFacts> {
  const field = async (command: string, name: string) => {
    const answer = await qmp.ask(command).catch(() => undefined);
    return (answer as Readonly<Record<string, unknown>> | undefined)?.[name];
  };
  const memory = await field('query-memory-size-summary', 'base-memory');
  const uuid = String(await field('query-uuid', 'UUID'));
  const name = await field('query-name', 'name');
  return {
    name: typeof name === 'string' ? name : `${qmpPrefix}${path}`,
    uuid: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid) ? uuid : 'unknown',
    firmware: (await isUefi(qmp)) ? 'uefi' : 'bios',
    guestMemoryKib: typeof memory === 'number' ? Math.floor(memory / 1024) : 0,
    graphics: [],
    spiceAgentListens: viewing.agentListens,
  };
}

/** UEFI lies in flash; SeaBIOS has names of its own. */
async function isUefi(qmp: Qmp): Promise<boolean> {
  const flash = await propertyOf(qmp, '/machine', 'pflash0');
  const firmware = await propertyOf(qmp, '/machine', 'firmware');
  return (typeof flash === 'string' && flash !== '') || /ovmf|edk2|efi/i.test(String(firmware ?? ''));
}
