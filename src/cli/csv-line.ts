/** Lines of CSV as in RFC 4180, but with a line feed at their ends, as files on Unix have. */

/** An absent field is empty, an empty one is quoted: so the two can be told apart. */
export function csvLine(fields: readonly (string | undefined)[]): string {
  return `${fields.map((field) => (field === undefined ? '' : quoted(field))).join(',')}\n`;
}

function quoted(field: string): string {
  if (field !== '' && !/[",\r\n]|^\s|\s$/.test(field)) return field;
  return `"${field.replaceAll('"', '""')}"`;
}
