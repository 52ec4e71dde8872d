// The process: arguments in, exit code out. A closed pipe behind us (`| head`) is no fault.
import { exitCodes } from './exit-codes.ts';
import { main } from './main.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCodes.fine);
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error);
  console.error('bridgekeeper: this is a bug of ours; please report it with the lines above');
  process.exitCode = exitCodes.bug;
}
