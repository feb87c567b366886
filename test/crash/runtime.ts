/** What `npm start` says to the runtime, for whoever starts the service in another way. */
import { createRequire } from 'node:module';

const { scripts } = createRequire(import.meta.url)('../../package.json') as {
  readonly scripts: { readonly start: string };
};
// A variable that is set already stays as it is.
const said = /^exec env ([A-Z_]+)=\$\{\1:-(\S+)\} node (--.+) src\/vmemd\.js serve$/.exec(
  scripts.start,
);
if (said === null) throw new Error(`npm start is not as it was: ${scripts.start}`);
const [, variable = '', value = '', flags = ''] = said;

export const runtimeFlags: readonly string[] = flags.split(' ');
export const runtimeEnvironment: Readonly<Record<string, string>> = {
  [variable]: value,
};
