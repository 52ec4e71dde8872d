// A lab that only registers: prints its slot, leaves when its stdin says so. Arguments: directory, setting.
import { joinLabs } from '../../src/lab/registry.ts';

const [directory = '', setting = ''] = process.argv.slice(2);
const { slot, leave } = await joinLabs({ directory, setting });
console.log(slot.number);
process.stdin.once('data', async () => {
  await leave();
  process.stdin.destroy();
});
