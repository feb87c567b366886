/** Lines of CSV as in RFC 4180, but with a line feed at their ends, as files on Unix have. */

/** An absent field is empty, an empty one is quoted: so the two can be told apart. */
export function csvLine(fields: readonly (string | undefined)[]): string {
  return `${fields.map((field) => (field === undefined ? '' : quoted(field))).join(',')}\n`;
}

/** The same for people, who open it with a spreadsheet: no field of it is taken for a formula there. */
export function sheetLine(fields: readonly (string | undefined)[]): string {
  return csvLine(fields.map((field) => (field === undefined ? undefined : guarded(field))));
}

/**
 * What a spreadsheet takes for a formula, or for something before one, by its first character, gets a
 * single quote in front, as OWASP advises. So does what would look like that otherwise, so that
 * `unguarded` gives back what there was.
 */
export function guarded(text: string): string {
  return formula.test(text) ? `'${text}` : text;
}

/** The text that was guarded; any other one is as it was, unless it looks like one that is. */
export function unguarded(text: string): string {
  return text.startsWith("'") && formula.test(text) ? text.slice(1) : text;
}

// oxlint-disable-next-line no-control-regex
const formula = /^'*[=+\-@\t\r\n\0]/;

function quoted(field: string): string {
  if (field !== '' && !/[",\r\n]|^[\s']|\s$/.test(field)) return field;
  return `"${field.replaceAll('"', '""')}"`;
}
