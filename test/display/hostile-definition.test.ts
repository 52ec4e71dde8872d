// Definitions that a guest's owner wrote to mislead or to burden who reads them: each is refused, or its one `<video>` is changed
// and every other byte stays as it is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDomainDisplay } from '../../src/display/domain-video.ts';
import { hostStep } from '../../src/display/host-step.ts';
import { parseMonitor } from '../../src/display/monitors.ts';
import { spliceVideo } from '../../src/display/splice-video.ts';

const wish = [parseMonitor('3840x2160') ?? assert.fail('no monitor')];

const plainVideo = "<video>\n      <model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='1'/>\n    </video>";

type Parts = {
  readonly head?: string;
  readonly name?: string;
  readonly metadata?: string;
  readonly beforeVideo?: string;
  readonly video?: string;
  readonly end?: string;
};

/** In front of the video, the video, and what comes behind it. */
function definition({ head = '', name = 'web', metadata = '', beforeVideo = '', video = plainVideo, end = '' }: Parts) {
  const before = `${head}<domain type='kvm'>
  <name>${name}</name>
  <uuid>0b6c1a52-6d9b-4d51-9a35-64f1f5d0a001</uuid>
  ${metadata}
  <devices>
    <emulator>/usr/bin/qemu</emulator>
    ${beforeVideo}`;
  return [before, video, `\n    <graphics type='spice'/>\n  </devices>\n${end}</domain>\n`] as const;
}

const repeated = (count: number, text: (at: number) => string) => Array.from({ length: count }, (_, at) => text(at));

const handled: readonly (readonly [title: string, parts: Parts])[] = [
  ['U+2028 in the name', { name: 'a\u2028b' }],
  ['U+2029 and U+0085 in a title', { metadata: '<title>\u2029\u0085</title>' }],
  ['U+2028 on the line of the video', { beforeVideo: '<!-- \u2028 -->' }],
  ['a sign for an unknown one', { metadata: '<title>\ufffd</title>' }],
  ['line ends of every kind', { metadata: '<title>a\rb\r\nc\n\rd\r\u0085e</title>' }],
  ['beyond 16 bits', { name: '𝄞', beforeVideo: '<!-- 𝄞 -->' }],
  ['references to characters', { name: '&lt;video&gt;&#x2028;&#13;' }],
  ['quotes and a shell', { name: `x&quot;'; touch pwned; #$(reboot)` }],
  ['devices in CDATA', { metadata: '<metadata><![CDATA[<devices><video/></devices>]]></metadata>' }],
  ['a comment like a video', { beforeVideo: "<!-- > <video><model type='vga'/></video> -->" }],
  ['a comment that begins with >', { video: "<video><!--><model type='vga'/>--><model type='qxl'/></video>" }],
  ['a comment like a size', { video: "<video><model type='qxl'><!-- <resolution x='1' y='2'/> --></model></video>" }],
  ['a comment like an end', { video: "<video><model type='qxl'><!-- </model> --></model></video>" }],
  ['an instruction', { head: '<?xml version="1.0"?>\n<?x <video> ?>\n' }],
  ["another namespace's video", { beforeVideo: "<video xmlns='urn:x'><model type='vga'/></video>" }],
  ["another namespace's model", { video: "<video><model xmlns='urn:x' type='vga'/><model type='qxl'/></video>" }],
  ['attributes in a value', { video: `<video><model type='qxl' x=" heads='7' vgamem='3' " heads="1"/></video>` }],
  ['an end in a value', { video: `<video><model x="/>" type='qxl'/></video>` }],
  ['a model with nothing in it', { video: "<video><model type='qxl'\n></model></video>" }],
  ['200,000 blanks in a tag', { video: `<video><model type='qxl'${' '.repeat(200_000)}heads='1'/></video>` }],
  ['1 MiB of description', { metadata: `<description>${'x'.repeat(1 << 20)}</description>` }],
  ['100,000 lines', { metadata: `<description>${'\n'.repeat(100_000)}</description>` }],
  ['another case', { beforeVideo: '<VIDEO/><Video/>' }],
];

const refused: readonly (readonly [title: string, parts: Parts, reason: RegExp])[] = [
  ['entities that grow', { head: '<!DOCTYPE d [<!ENTITY x "xxxx">]>', name: '&x;' }, /declares a document type/],
  ['an entity from nowhere', { name: '&bomb;' }, /not well-formed/],
  ['a mark of the byte order', { head: '\ufeff' }, /not well-formed/],
  ['devices twice', { end: "<devices><video><model type='vga'/></video></devices>" }, /<devices> more than once/],
  ['100 deep', { metadata: `${'<a>'.repeat(100)}${'</a>'.repeat(100)}` }, /more than 64 deep/],
  ['100,000 elements', { metadata: '<a/>'.repeat(100_000) }, /more than 50000 elements/],
  [
    '200,000 attributes',
    { metadata: `<a ${repeated(200_000, (at) => `a${at}=''`).join(' ')}/>` },
    /more than 256 attributes/,
  ],
  ['heads twice', { video: "<video><model type='qxl' heads='1' heads='2'/></video>" }, /not well-formed/],
  ['an end that is missing', { end: '<a>' }, /not well-formed/],
];

function change(text: string): string {
  const read = parseDomainDisplay(text);
  if ('fault' in read) return assert.fail(read.fault.message);
  const step = hostStep(read.value, wish);
  if (step.kind === 'impossible') return assert.fail(step.reasons.join());
  return step.kind === 'nothing' ? text : spliceVideo(text, read.value, step.changes, step.added);
}

describe('definitions that mislead', () => {
  for (const [title, parts] of handled) {
    test(`handled: ${title}`, () => {
      const [before, video, behind] = definition(parts);
      const changed = change(before + video + behind);
      assert.notEqual(changed, before + video + behind);
      assert.ok(changed.startsWith(before) && changed.endsWith(behind), 'a byte outside of the video changed');
      assert.match(changed.slice(before.length, -behind.length), /^<video>[\s\S]*<resolution x='3840' y='2160'\/>/);
      assert.equal(change(changed), changed);
    });
  }

  for (const [title, parts, reason] of refused) {
    test(`refused: ${title}`, () => {
      const read = parseDomainDisplay(definition(parts).join(''));
      assert.match('fault' in read ? read.fault.message : 'it was taken', reason);
    });
  }

  test('a name is what libvirt calls it, to the character', () => {
    const read = parseDomainDisplay(definition({ name: 'a\u2028b\u0085' }).join(''));
    assert.equal('fault' in read ? read.fault.message : read.value.name, 'a\u2028b\u0085');
  });
});
