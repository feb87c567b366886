/** What `npm start` says to the runtime, for whoever starts the service in another way. */
import { createRequire } from 'node:module';

const { scripts } = createRequire(import.meta.url)('../../package.json') as {
  readonly scripts: { readonly start: string };
};
const said = /^exec env (\S+=\S+) node (--.+) src\/vmemd\.js serve$/.exec(scripts.start);
if (said === null) throw new Error(`npm start is not as it was: ${scripts.start}`);
const [, variable = '', flags = ''] = said;

export const runtimeFlags: readonly string[] = flags.split(' ');
export const runtimeEnvironment: Readonly<Record<string, string>> = {
  [variable.slice(0, variable.indexOf('='))]: variable.slice(variable.indexOf('=') + 1),
};
