/** The help texts. They are tested against the flags and settings, so that none is forgotten. */
import { limits } from '../limits.ts';

export const help = {
  vmemd: `\
vmemd allocates numeric ranges over HTTP.

Usage: vmemd serve [flags]     run the service
       vmemd serve --help      all flags and exit codes
       vmemd --version         the version
       vmemd --help            this
`,
  serve: `\
Usage: vmemd serve [flags]

Runs the service until SIGTERM or SIGINT: it then takes no new connections, answers what it was
asked and ends. A second signal ends it at once; nothing that was answered is lost either way.

  --host ADDRESS     where to listen                          VMEMD_HOST       127.0.0.1
  --port NUMBER      0 lets the system choose                 VMEMD_PORT       7070
  --data DIRECTORY   where everything is kept; created        VMEMD_DATA       ./data
  --log-level LEVEL  fatal error warn info debug trace silent VMEMD_LOG_LEVEL  info
  --tokens FILE      bearer tokens that open the API, one     VMEMD_TOKENS     (none)
                     a line, ${limits.tokenCharactersMin} characters or more; # comments
  --insecure         listen beyond this machine without       VMEMD_INSECURE   0
                     tokens
  --help             this

A flag wins over its variable, a variable over the default.

Exit codes: 0 stopped on request; 1 a bug; 2 invalid flag or setting; 3 the data directory is in
use; 4 the data is of a newer version; 5 the data is damaged; 6 a commit failed, restart; 7 cannot
listen on the address or port; 8 the data directory cannot be used.
`,
} as const;
