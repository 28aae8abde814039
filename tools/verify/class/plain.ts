// Texts that come from a submission: names, output and answers.

const control = new RegExp(
  [
    String.raw`[\u0000-\u0008\u000B-\u001F\u007F-\u009F`, // escape codes, among others
    String.raw`\u061C\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB`, // reordering
    String.raw`\p{Cs}]`, // half of a surrogate pair
  ].join(''),
  'gu',
);

const code = (character: string) => {
  const hex = (character.codePointAt(0) ?? 0).toString(16);
  return hex.length > 2 ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`;
};

/**
 * The text with every character written out that could control a terminal or hide other text.
 * What is longer than the limit is cut.
 */
export function plain(text: string, maxLength = 1_000): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)} …` : text;
  return cut.replaceAll(control, code);
}

/** The same in one line. */
export const plainLine = (text: string, maxLength = 200): string =>
  plain(text.replaceAll(/\s+/g, ' ').trim(), maxLength);

/** The text for HTML and XML, in content and in quoted attributes. */
export const escaped = (text: string): string =>
  plain(text, Number.MAX_SAFE_INTEGER).replaceAll(
    /[<>&"']/g,
    (character) => `&#${character.codePointAt(0)};`,
  );
