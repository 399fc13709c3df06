import { parseArgs } from 'node:util';
import { generateCommand } from './generate.js';
import { infoCommand } from './info.js';
import { type Command, type Io, oneLine, UsageError } from './options.js';
import { quantizeCommand } from './quantize.js';
import { scoreCommand } from './score.js';

const commands: Readonly<Record<string, Command>> = {
  generate: generateCommand,
  score: scoreCommand,
  info: infoCommand,
  quantize: quantizeCommand,
};

/** Exit statuses: what a script can tell apart. */
export const status = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Runs the command that `argv` names. @returns the exit status; errors are one line on stderr */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const [name = 'help', ...rest] = argv;
  try {
    if (name === 'help' || name === '--help' || name === '-h') {
      io.stdout.write(overview());
      return status.ok;
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!command) throw new UsageError(`unknown command "${name}"; one of ${Object.keys(commands).join(', ')}`);
    const { values, positionals } = parse(command, rest);
    if (values['help']) {
      io.stdout.write(command.help);
      return status.ok;
    }
    await command.run({ values, positionals }, io);
    return io.signal.aborted ? status.interrupted : status.ok;
  } catch (error) {
    if (io.signal.aborted) return status.interrupted;
    io.stderr.write(`mamba2: ${oneLine(error)}\n`);
    return error instanceof UsageError ? status.usage : status.failed;
  }
}

function parse(command: Command, args: string[]) {
  try {
    return parseArgs({
      args,
      options: { ...command.options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    throw new UsageError(oneLine(error));
  }
}

function overview(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return `mamba2: text from Mamba-2 models\n\n${lines.join('\n')}\n\nmamba2 COMMAND --help says more.\n`;
}
