// The sections of a document, in Markdown, reStructuredText or AsciiDoc.

interface Line {
  text: string;
  /** 1 for a title, 2 for what is below it, and so on; undefined for a line that is no heading. */
  level: number | undefined;
}

export interface Section {
  heading: string;
  /** What is below the heading, without further headings. */
  text: string;
}

/** The sections of a text. One that has others within it has their text, too. */
export function sectionsOf(document: string): Section[] {
  const lines = linesOf(document);
  return lines.flatMap(({ text: heading, level }, n) => {
    if (level === undefined) return [];
    const below = lines.slice(n + 1);
    const end = below.findIndex((line) => line.level !== undefined && line.level <= level);
    return [{ heading, text: textIn(below.slice(0, end === -1 ? undefined : end)) }];
  });
}

/** The text of a document without its headings. */
export const textWithoutHeadings = (document: string): string => textIn(linesOf(document));

const textIn = (lines: Line[]): string =>
  lines.flatMap(({ text, level }) => (level === undefined ? [text] : [])).join('\n');

function linesOf(document: string): Line[] {
  const texts = document.split(/\r?\n/);
  let isCode = false;
  return texts.map((text, n) => {
    if (/^(?:```|~~~)/.test(text)) isCode = !isCode;
    return { text, level: isCode ? undefined : levelOf(text, texts[n + 1]) };
  });
}

/** The level of a heading: by the marks before it, or by the line below it. */
function levelOf(text: string, next = ''): number | undefined {
  const marks = /^(#+|=+)\s/.exec(text)?.[1];
  if (marks !== undefined) return marks.length;
  const isUnderlined = /\w/.test(text) && /^([=\-~^])\1{2,}\s*$/.test(next);
  if (!isUnderlined) return undefined;
  return next.startsWith('=') ? 1 : 2;
}
