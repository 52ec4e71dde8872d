// The boot menu's device as a plan will have made it: with the memory that the size needs, and with the size as its own where
// the firmware shows it only so. Both the definition's step and the verdict on the menu go by it.
import type { PlacedVideo } from './domain-video.ts';
import { memoryFor } from './memory.ts';
import type { DisplayFacts, Wish } from './plan.ts';
import { predictMenu } from './predict.ts';
import { isSameSize, type Size } from './size.ts';
import { bootOf } from './stages.ts';
import type { VideoDevice } from './video.ts';

/** Whether the menu shows the wished size only on a device whose own size it is. */
export function menuNeedsOwnSize(facts: DisplayFacts, { aims, monitors }: Wish): boolean {
  const [device] = facts.domain.devices.filter(({ primary }) => primary);
  const menu = monitors[0]?.size;
  if (!aims.has('grub') || device === undefined || menu === undefined) return false;
  const roomy = withMemory(device, menu);
  return !shows(facts, device, roomy, menu) && shows(facts, device, { ...roomy, resolution: menu }, menu);
}

/** What the menu will be drawn on. */
export function menuDevice(facts: DisplayFacts, wish: Wish, device: PlacedVideo, menu: Size): VideoDevice {
  if (wish.via === 'guest') return device;
  const roomy = withMemory(device, menu);
  const isSized = wish.aims.has('tty') || menuNeedsOwnSize(facts, wish);
  return isSized ? { ...roomy, resolution: menu } : roomy;
}

function withMemory(device: VideoDevice, menu: Size): VideoDevice {
  return { ...device, memory: memoryFor(device.model, menu, device.memory) ?? device.memory };
}

function shows({ domain, guest }: DisplayFacts, device: PlacedVideo, then: VideoDevice, menu: Size): boolean {
  return isSameSize(predictMenu(then, { ...bootOf(domain, device, guest), gfxmode: menu }).size, menu);
}
