// Who looks at a guest, and whether its window overrides what is set: QEMU's answers, and what is believed of them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  isOverridden,
  nobodyViews,
  spiceViewers,
  type Viewing,
  viewerRow,
  vncViewers,
} from '../../src/display/viewer.ts';

const channel = (id: number, type: number) => ({ 'connection-id': id, 'channel-type': type, family: 'unix' });

describe('viewers that QEMU tells of', () => {
  for (const [title, answer, viewers] of [
    ['none', { enabled: true, channels: [] }, 0],
    ['one, with picture, keys and mouse', { channels: [channel(7, 1), channel(7, 2), channel(7, 3)] }, 1],
    ['two', { channels: [channel(7, 1), channel(8, 1), channel(8, 2)] }, 2],
    ['one that has not got further than its cursor', { channels: [channel(7, 4)] }, 0],
    ['no SPICE', undefined, 0],
    ['no list', { channels: 'many' }, 0],
    ['a list of other things', { channels: [1, null, { 'channel-type': '1' }] }, 0],
    ['inherited', Object.create({ channels: [channel(7, 1)] }), 0],
  ] as const) {
    test(`SPICE: ${title}`, () => assert.equal(spiceViewers(answer), viewers));
  }

  test('VNC', () => {
    assert.equal(vncViewers({ enabled: true, clients: [{ host: '::1' }, { host: '::1' }] }), 2);
    assert.equal(vncViewers({ enabled: false }), 0);
  });
});

const rows: readonly (readonly [title: string, viewing: Viewing, code: string, text: RegExp])[] = [
  ['nobody', nobodyViews, 'no-resolution', /^no viewer is connected; a window and its scaling are no resolution$/],
  [
    'an agent alone resizes nothing',
    { ...nobodyViews, agentListens: true },
    'no-resolution',
    /^no viewer is connected;/,
  ],
  ['SPICE, without an agent inside', { ...nobodyViews, spice: 1 }, 'no-resolution', /^a SPICE viewer is connected;/],
  [
    'SPICE, and the agent listens',
    { ...nobodyViews, spice: 2, agentListens: true },
    'viewer-overrides',
    /^2 SPICE viewers are connected, and spice-vdagent listens .* overrides the session's$/,
  ],
  ['VNC', { ...nobodyViews, vnc: 1 }, 'no-resolution', /^a VNC viewer is connected;/],
];

describe("the viewer's row in the table of stages", () => {
  for (const [title, viewing, code, text] of rows) {
    test(title, () => {
      const { stage, now, next, largest, limit } = viewerRow(viewing, undefined);
      assert.deepEqual([stage, now, next, largest, limit?.code], ['viewer', undefined, undefined, undefined, code]);
      assert.match(limit?.text ?? '', text);
      assert.equal(isOverridden(viewing, undefined), code === 'viewer-overrides');
    });
  }
});
