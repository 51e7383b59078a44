// Commands come as lines of JSON on standard input; each is answered by one line on standard output.
import { createInterface } from 'node:readline';

// Standard output is for answers.
console.info = console.error;
console.log = console.error;

export async function serveCommands(commands) {
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) {
    const { name, ...given } = JSON.parse(line);
    const answer = (await commands[name](given)) ?? null;
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}
