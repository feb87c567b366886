/**
 * The settings of an arena that can be changed, as an arena has them, and those of one that has nothing
 * out of the ordinary.
 */
import type { Tuning } from './command.ts';

/** Of an arena without anything that has to be asked for. */
export const plainSettings = {
  largeImport: false,
  keepSpans: 0,
  releaseAfterSeconds: 0,
  quarantineSeconds: 0,
  quantumCacheMax: 0n,
  labels: {},
} as const;

/** As many addresses as there can be: a limit that bounds nothing. */
const LIMIT_NONE = 1n << 128n;

/** Without anything else, and without what is unset, or bounds nothing. */
export function tuningOf(settings: Tuning): Tuning {
  const { ownerLimit, ownerLimits = [] } = settings;
  return {
    policy: settings.policy,
    ...(settings.importSize === undefined ? {} : { importSize: settings.importSize }),
    largeImport: settings.largeImport,
    keepSpans: settings.keepSpans,
    releaseAfterSeconds: settings.releaseAfterSeconds,
    quarantineSeconds: settings.quarantineSeconds,
    ...(settings.limit === undefined ? {} : { limit: settings.limit }),
    // What bounds nothing is the same as none at all, whichever way it came to that.
    ...(ownerLimit === undefined || ownerLimit >= LIMIT_NONE ? {} : { ownerLimit }),
    ...(ownerLimits.length === 0 ? {} : { ownerLimits }),
    ...(settings.bands === undefined || settings.bands.length === 0
      ? {}
      : { bands: settings.bands }),
    labels: settings.labels,
  };
}
