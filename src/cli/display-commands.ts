// The command `display` with all that belongs to it, and their options.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Monitor, parseMonitor } from '../display/monitors.ts';
import type { Aim } from '../display/plan.ts';
import { outputOption, type Run, wholeNumber } from './options.ts';

const guestArgument = 'a guest of libvirt, by its name or UUID; to look only: qmp:SOCKET of a QEMU without libvirt';

const accessOption = (): Option =>
  new Option(
    '--access <way>',
    'the way into the guest: auto, agent, ssh:HOST; or its files: root:DIRECTORY, image:FILE',
  ).default('auto');

const stateOption = (): Option =>
  new Option('--state <directory>', 'where changes are kept ($BRIDGEKEEPER_STATE, else /var/lib/bridgekeeper)');

export function addDisplayCommand(program: Command, run: Run): void {
  const display = program.command('display').description("the resolution of a guest's boot menu, consoles and desktop");
  about(display, 'inspect', 'show each stage: its size, what it can be, and what limits it').action((guest, options) =>
    run(import('./display-inspect.ts').then(({ displayInspect }) => displayInspect(guest, options))),
  );
  about(display, 'modes', 'list the sizes that are offered, possible, or impossible, and why').action(
    (guest, options) => run(import('./display-modes.ts').then(({ displayModes }) => displayModes(guest, options))),
  );
  wishing(about(display, 'plan', 'show what would be changed, and what cannot be'))
    .option('--out <file>', 'keep it, for `display set --plan`')
    .action((guest, options) => run(import('./display-set.ts').then(({ displayPlan }) => displayPlan(guest, options))));
  wishing(about(display, 'set', 'change it; `display rollback` takes it back'))
    .option('--plan <file>', 'what `display plan --out` kept; refused when anything has changed since')
    .option('--restart', 'shut the guest down and start it again where that is needed, and look at its picture')
    .addOption(stateOption())
    .action((guest, options) => run(import('./display-set.ts').then(({ displaySet }) => displaySet(guest, options))));
  about(display, 'verify', 'hold a screenshot against what is expected')
    .option('--expect <sizes>', 'as 1920x1080,1280x1024; without it: what was set last', sizes)
    .option('--png <file>', 'keep the picture in this file, those of further heads beside it')
    .option('--console', 'look at a text console, and switch back to the desktop afterwards')
    .addOption(stateOption())
    .action((guest, options) =>
      run(import('./display-verify.ts').then(({ displayVerify }) => displayVerify(guest, options))),
    );
  about(display, 'rollback', 'put back everything that was set, byte for byte')
    .addOption(stateOption())
    .action((guest, options) =>
      run(import('./display-rollback.ts').then(({ displayRollback }) => displayRollback(guest, options))),
    );
  display
    .command('modeline')
    .description('print the timing of a mode by CVT; asks no guest')
    .argument('<width>', 'in pixels', wholeNumber)
    .argument('<height>', 'in lines', wholeNumber)
    .argument('[hz]', 'pictures a second', wholeNumber, 60)
    .option('--rb', 'with reduced blanking')
    .option('--xrandr <output>', 'as commands for this output')
    .option('--kernel', 'as an argument of the kernel')
    .addOption(outputOption())
    .action((width, height, hz, options) =>
      run(import('./modeline.ts').then(({ modeline }) => modeline(width, height, hz, options))),
    );
}

function about(display: Command, name: string, description: string): Command {
  return display
    .command(name)
    .description(description)
    .argument('<guest>', guestArgument)
    .addOption(accessOption())
    .addOption(outputOption());
}

function wishing(command: Command): Command {
  return command
    .option('--monitor <size>', '1920x1080, or 1280x1024@right of the one before; several times for several', monitors)
    .option('--for <stages>', 'of grub, tty and desktop', aims)
    .addOption(new Option('--via <knob>', 'whose settings').choices(['auto', 'host', 'guest']).default('auto'))
    .option('--in-place', 'edit /etc/default/grub itself, where its folder is not read');
}

function monitors(text: string, earlier: readonly Monitor[] = []): readonly Monitor[] {
  const monitor = parseMonitor(text);
  if (monitor === undefined) throw new InvalidArgumentError('a size is wanted, as 1920x1080 or 1280x1024@right');
  return [...earlier, monitor];
}

const everyAim: readonly Aim[] = ['grub', 'tty', 'desktop'];

function aims(text: string): ReadonlySet<Aim> {
  const words = text.split(',');
  const unknown = words.filter((word) => !everyAim.some((aim) => aim === word));
  if (unknown.length > 0) throw new InvalidArgumentError(`'${unknown.join(', ')}' is none of grub, tty, desktop`);
  return new Set(everyAim.filter((aim) => words.includes(aim)));
}

function sizes(text: string): readonly Monitor[] {
  return text.split(',').map((word) => {
    const monitor = parseMonitor(word);
    if (monitor === undefined) throw new InvalidArgumentError('sizes are wanted, as 1920x1080,1280x1024');
    return monitor;
  });
}
