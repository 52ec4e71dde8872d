import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrangementOf } from '../../src/display/live/session.ts';

const said = `Screen 0: minimum 320 x 200, current 3200 x 1080, maximum 8192 x 8192
Virtual-1 connected primary 1920x1080+0+0 (normal left inverted right x axis y axis) 0mm x 0mm
   1024x768      59.92 +
   1920x1080_60.00  59.96*
Virtual-2 connected 1280x1024+1920+0 (normal left inverted right x axis y axis) 0mm x 0mm
   1280x1024     59.89*+
Virtual-3 disconnected (normal left inverted right x axis y axis)
HDMI-1;reboot connected 800x600+0+0 (normal)
   $(reboot)     60.00*
`;

test('the arrangement that xrandr shows, as its own arguments; other words are left out', () => {
  assert.equal(
    arrangementOf(said).join(' '),
    '--output Virtual-1 --mode 1920x1080_60.00 --pos 0x0 --output Virtual-2 --mode 1280x1024 --pos 1920x0',
  );
});
