// What GNOME starts with: mutter's monitors.xml, with our arrangement in place of the one for the same monitors; those for
// other monitors stay as they are.
// Source: doc/monitor-configuration.md and meta-monitor-config-store.c of mutter
import type { CompositorMode, CompositorOutput } from './compositor.ts';
import type { Placed } from './monitors.ts';

export type KeptMonitor = Placed & { readonly output: CompositorOutput; readonly mode: CompositorMode };

/**
 * @param before the file as it is; undefined where there is none
 * @param off connected outputs that show nothing
 * @returns undefined where the file is of another kind, which is left alone
 */
export function monitorsText(
  before: string | undefined,
  shown: readonly KeptMonitor[],
  off: readonly CompositorOutput[],
): string | undefined {
  const ours = configurationText(shown, off);
  if (before === undefined) return `<monitors version="2">\n${ours}</monitors>\n`;
  const found = /^(\s*(?:<\?xml[^>]*\?>\s*)?<monitors version="2">[ \t]*\n?)([\s\S]*)(<\/monitors>\s*)$/.exec(before);
  if (found === null || /<!--|<!\[CDATA\[/.test(before)) return undefined;
  const [, head = '', configurations = '', tail = ''] = found;
  const names = namesIn(ours);
  const others = configurations.replace(/[ \t]*<configuration>[\s\S]*?<\/configuration>[ \t]*\n?/g, (one) =>
    namesIn(one) === names ? '' : one,
  );
  return `${head}${ours}${others}${tail}`;
}

/** Of one configuration: for which set of connectors it is. */
function namesIn(configuration: string): string {
  return [...configuration.matchAll(/<connector>([^<]*)<\/connector>/g)]
    .map(([, name]) => name)
    .sort()
    .join(' ');
}

function configurationText(shown: readonly KeptMonitor[], off: readonly CompositorOutput[]): string {
  const disabled = off.length === 0 ? [] : element('disabled', off.flatMap(specLines));
  const lines = element('configuration', [...shown.flatMap(logicalLines), ...disabled]);
  return `${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

function logicalLines({ x, y, output, mode }: KeptMonitor, at: number): readonly string[] {
  const { width, height } = mode.size;
  return element('logicalmonitor', [
    `<x>${x}</x>`,
    `<y>${y}</y>`,
    '<scale>1</scale>',
    ...(at === 0 ? ['<primary>yes</primary>'] : []),
    ...element('monitor', [
      ...specLines(output),
      ...element('mode', [
        `<width>${width}</width>`,
        `<height>${height}</height>`,
        `<rate>${mode.hz.toFixed(3)}</rate>`,
      ]),
    ]),
  ]);
}

function specLines({ name, monitor }: CompositorOutput): readonly string[] {
  const { vendor = 'unknown', product = 'unknown', serial = 'unknown' } = monitor ?? {};
  return element('monitorspec', [
    `<connector>${escapedXml(name)}</connector>`,
    `<vendor>${escapedXml(vendor)}</vendor>`,
    `<product>${escapedXml(product)}</product>`,
    `<serial>${escapedXml(serial)}</serial>`,
  ]);
}

function element(name: string, lines: readonly string[]): readonly string[] {
  return [`<${name}>`, ...lines.map((line) => `  ${line}`), `</${name}>`];
}

function escapedXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
