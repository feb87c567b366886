/** The help texts. They are tested against the flags and settings, so that none is forgotten. */
import { limits } from '../limits.ts';

const jsonFlag = '  --json             print one line of JSON instead, also about a failure';
const helpFlag = '  --help             this';
const dataFlag = `\
  --data DIRECTORY   the data directory, which no service     VMEMD_DATA       ./data
                     may have open`;
const dataCodes = `\
3 the data directory is in use; 4 the data is of a newer version; 5 the data is damaged; 8 the data
directory or a file cannot be used, or there is no data; 9 the disk is full; 10 the journal lacks
its end; 11 the checkpoint is damaged. docs/recovery.md says what to do about each.`;

export const help = {
  vmemd: `\
vmemd allocates numeric ranges over HTTP.

Usage: vmemd serve [flags]     run the service
       vmemd verify [flags]    read all data, or a backup, and hold it against itself
       vmemd backup [flags]    make a backup, of a running service or of a data directory
       vmemd restore [flags]   make a data directory of a backup
       vmemd dump [flags]      write the state as text, a line of JSON for each thing
       vmemd load [flags]      make a data directory of a dump
       vmemd compact [flags]   make the database of a stopped service small
       vmemd import [flags]    allocate in a running service what a file says
       vmemd export [flags]    write allocations of a running service as a file
       vmemd help COMMAND      flags, exit codes and an example; vmemd COMMAND --help as well
       vmemd --version         the version
       vmemd --help            this
`,
  serve: `\
Usage: vmemd serve [flags]

Runs the service until SIGTERM, SIGINT or SIGHUP: it then takes no new connections, answers what it
was asked and ends. A second signal ends it at once; nothing that was answered is lost either way.

  --host ADDRESS         where to listen                          VMEMD_HOST             127.0.0.1
  --port NUMBER          0 lets the system choose                 VMEMD_PORT             7070
  --data DIRECTORY       where everything is kept; created        VMEMD_DATA             ./data
  --log-level LEVEL      fatal error warn info debug trace silent VMEMD_LOG_LEVEL        info
  --checkpoint-mib MIB   a checkpoint is made after so much of    VMEMD_CHECKPOINT_MIB   16
                         records
  --history-days DAYS    for how long records are kept after      VMEMD_HISTORY_DAYS     90
                         recovery has no need of them …
  --history-mib MIB      … and how much of them at most           VMEMD_HISTORY_MIB      1024
  --idempotency-keys N   how many are held, each for 24 hours     VMEMD_IDEMPOTENCY_KEYS 1000000
  --accept-revision N    go on with a journal that lost its end,  VMEMD_ACCEPT_REVISION  (none)
                         as it is: see docs/recovery.md
  --tokens FILE          bearer tokens that open the API, one     VMEMD_TOKENS           (none)
                         a line, ${limits.tokenCharactersMin} characters or more; # comments
  --insecure             listen beyond this machine without       VMEMD_INSECURE         0
                         tokens
  --help                 this

A flag wins over its variable, a variable over the default.

Exit codes: 0 stopped on request; 1 a bug; 2 invalid flag or setting; 3 the data directory is in
use; 4 the data is of a newer version; 5 the data is damaged; 6 a commit failed, restart; 7 cannot
listen on the address or port; 8 the data directory cannot be used; 9 the disk is full; 10 the
journal lacks its end, or its head anchor; 11 the newest checkpoint is damaged. The other commands
also end with 12 where a service cannot be reached, 13 where a dump is refused, 14 where a file to
import is, and 15 where rows of it are.
`,
  verify: `\
Usage: vmemd verify [--data DIRECTORY | --from BACKUP]

Reads everything that is stored: the checkpoint, every record, all history that is kept. Compares
every digest, checks every invariant of every arena, and, where the history goes back to the first
record, makes the state once more from it. Prints how much there is, and the hash of the state.

${dataFlag}
  --from BACKUP      a backup instead; it is copied into the
                     folder for temporary files (TMPDIR) first
${jsonFlag}
${helpFlag}

Exit codes: 0 all is whole; 1 a bug; 2 invalid flag or setting;
${dataCodes}

Example: vmemd verify --from backup.db
`,
  backup: `\
Usage: vmemd backup --to FILE [--url URL | --data DIRECTORY]

Writes a backup: one file with all that is stored, history included, as of one revision. Of a
running service with --url, while that goes on serving; of a stopped one with --data. What is copied
is verified. FILE appears when it is whole and on disk.

  --to FILE          the backup
  --url URL          the service, such as http://127.0.0.1:7070
  --token-file FILE  with --url: a file with a token of the   VMEMD_TOKEN      (none)
                     service; the variable has the token itself
${dataFlag}
  --force            replace FILE if it is there
${jsonFlag}
${helpFlag}

Exit codes: 0 there is a backup; 1 a bug; 2 invalid flag or setting, or FILE is there;
${dataCodes}
12 the service cannot be reached, refused, or the transfer broke off.

Example: vmemd backup --url http://127.0.0.1:7070 --token-file token --to backup.db
`,
  restore: `\
Usage: vmemd restore --from BACKUP [--data DIRECTORY]

Makes a data directory of a backup, after verifying it as "vmemd verify" does. A directory with data
in it is refused. A backup does not know what was allocated after it was made.

  --from BACKUP      the backup
  --data DIRECTORY   the new data directory; created          VMEMD_DATA       ./data
${jsonFlag}
${helpFlag}

Exit codes: 0 there is a data directory; 1 a bug; 2 invalid flag or setting; 3 to 11 as below, of
the backup, and 8 also where the directory has data in it;
${dataCodes}

Example: vmemd restore --from backup.db --data ./data
`,
  dump: `\
Usage: vmemd dump [--data DIRECTORY | --from BACKUP] [--to FILE]

Writes the state as lines of JSON: arenas, spans and allocations as the API shows them, and what
else it takes to make the same state of them with "vmemd load". History is not in it.

  --to FILE          where to; the standard output unless given
  --force            replace FILE if it is there
${dataFlag}
  --from BACKUP      a backup instead; it is copied into the
                     folder for temporary files (TMPDIR) first
${helpFlag}

Exit codes: 0 the dump is whole; 1 a bug; 2 invalid flag or setting, or FILE is there;
${dataCodes}

Example: vmemd dump | jq -c 'select(.type == "allocation" and .owner == "node-17")'
`,
  load: `\
Usage: vmemd load [--from FILE] [--data DIRECTORY]

Makes a data directory with the state that a dump describes. Every line is checked; what is wrong
is refused with its number, and nothing is made. The state has to have the hash that the first line
says.

  --from FILE        the dump; the standard input unless given
  --data DIRECTORY   the new data directory; created          VMEMD_DATA       ./data
  --edited           the dump was changed on purpose: take it as it is, without comparing the hash
                     and the number of lines; free segments may be missing from its gaps
${jsonFlag}
${helpFlag}

Exit codes: 0 there is a data directory; 1 a bug; 2 invalid flag or setting; 8 a file or directory
cannot be used, or has data in it; 9 the disk is full; 13 the dump is refused.

Example: vmemd load --from dump.ndjson --data ./data
`,
  compact: `\
Usage: vmemd compact [--data DIRECTORY] [--history-days DAYS] [--history-mib MIB]

Makes the database of a stopped service small: makes a checkpoint, removes the history that is not
to be kept, and gives the room back to the file system, which for a while takes as much again.

${dataFlag}
  --history-days DAYS  how long history is kept …             VMEMD_HISTORY_DAYS  90
  --history-mib MIB    … and how much of it; 0 keeps none     VMEMD_HISTORY_MIB   1024
${jsonFlag}
${helpFlag}

Exit codes: 0 done; 1 a bug; 2 invalid flag or setting;
${dataCodes}

Example: vmemd compact --history-mib 0
`,
  import: `\
Usage: vmemd import --url URL --from FILE [--arena ARENA] [--format FORMAT]

Allocates in a running service what the rows of a file say: a CSV file with a header, an export of
NetBox, or a file like /etc/services. A row that is refused is told, with the reason, and the others
are done. What is there already, with the same owner and labels, stays as it is: where an import
broke off, or rows were corrected, import the whole file again. docs/import.md has the formats.

  --url URL          the service, such as http://127.0.0.1:7070
  --token-file FILE  a file with a token of the service; the   VMEMD_TOKEN      (none)
                     variable has the token itself
  --from FILE        the file; the standard input unless given, or -
  --format FORMAT    csv unless given; netbox, of prefixes or IP addresses; services
  --arena ARENA      where rows go that say nothing else
  --map WORD=ARENA   where the rows of a VRF, or of a protocol, go, with commas between several;
                     without an arena they are skipped
  --owner COLUMN     the column that has the owner; "owner" unless given
  --label COLUMNS    the columns that become labels, with commas between them; all others unless
                     given; none
  --create           make arenas that are missing
  --span SPANS       with --create: their spans, such as 10.0.0.0/8 or 100-199, with commas between
                     several; all ports unless given with services
  --reuse            take addresses that rest, too
  --dry-run          change nothing: tell what would be refused, also for a row before it
  --report FILE      the refused rows, as CSV, instead of on the standard error
${jsonFlag}
${helpFlag}

Exit codes: 0 all rows are there; 1 a bug; 2 invalid flag or setting, or there is no such arena;
8 a file cannot be used; 9 the disk is full; 12 the service cannot be reached, or broke off: import
again; 14 the file is not of its format from some row on, those before are done; 15 rows were
refused, the others are done.

Example: vmemd import --url http://127.0.0.1:7070 --from hosts.csv --arena pods --dry-run
`,
  export: `\
Usage: vmemd export --url URL --arena ARENA [--to FILE] [--format FORMAT]

Writes the allocations of an arena of a running service as a file that "vmemd import" takes, in the
order of their addresses. What other arenas have imported is theirs, and left out. It is read page
by page: what is there all the time is in the file.

  --url URL          the service, such as http://127.0.0.1:7070
  --token-file FILE  a file with a token of the service; the   VMEMD_TOKEN      (none)
                     variable has the token itself
  --arena ARENA      the arena, or several with commas between them
  --format FORMAT    csv unless given; netbox, which are prefixes; netbox-addresses; services
  --map WORD=ARENA   of services: the protocol of an arena; its name unless given
  --owner COLUMN     the name of the column for owners; "owner" unless given
  --label KEYS       the labels to write, with commas between them; all unless given; none
  --to FILE          where to; the standard output unless given, or -
  --force            replace FILE if it is there
${helpFlag}

Exit codes: 0 the file is whole; 1 a bug; 2 invalid flag or setting, FILE is there, or there is no
such arena; 8 a file cannot be used; 9 the disk is full; 12 the service cannot be reached, or broke
off; 15 some allocations can't be written in this format and were left out.

Example: vmemd export --url http://127.0.0.1:7070 --arena pods --to pods.csv
`,
} as const;
