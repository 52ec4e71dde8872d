// The process: arguments in, exit code out. A closed pipe behind us (`| head`) is no fault.
import { exitCodes } from './exit-codes.ts';
import { main } from './main.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.fine);
  console.error(`bridgekeeper: cannot write to the standard output: ${error.message}`);
  process.exit(exitCodes.refused);
});

// nobody listens to what we say; what we do is not the worse for that
process.stderr.on('error', () => undefined);

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error);
  console.error('bridgekeeper: this is a bug of ours; please report it with the lines above');
  process.exitCode = exitCodes.bug;
}
