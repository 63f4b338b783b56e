"use strict";
// Where names may stand in a text: runs of capitalised words, and how many code points lie before a place.
const spans = (() => {
  const WORD = "\\p{Lu}[\\p{L}\\p{M}\\p{N}]*(?:[.'’-][\\p{L}\\p{M}\\p{N}]+)*";
  const JOINT = "(?:of the|of|the|de la|de|del|da|do|du|la|le|van der|van|von der|von|bin)";
  const RUN = new RegExp(`(?<![\\p{L}\\p{N}])${WORD}(?:[ \\u00a0]+(?:${JOINT}[ \\u00a0]+)?${WORD})*`, "gu");
  const COMMON = new Set(("a an and as at back but by did do does for from had has have he her here his how i if in is it its just my next no not nothing now of on " +
    "or our she so some that the their then there these they this those to today tomorrow up was we were what when where which who why will " +
    "with yes yesterday you your der die das ein eine und wir ich").split(" "));
  const MOST = 24;

  function trimmed(text, start, end) {
    while (start < end && /\s/u.test(text[start])) start += 1;
    while (end > start && /\s/u.test(text[end - 1])) end -= 1;
    return { start, end };
  }

  // A capital that only begins a sentence is no name: leading common words are dropped from a run.
  function propose(text) {
    const found = [];
    const seen = new Set();
    for (const run of text.matchAll(RUN)) {
      let start = run.index;
      const end = start + run[0].length;
      for (let word; start < end && (word = /^([\p{L}\p{M}'’]+)(\s+|$)/u.exec(text.slice(start, end))) && COMMON.has(word[1].toLowerCase());) {
        start += word[0].length;
      }
      const words = text.slice(start, end);
      if (words && !seen.has(words) && found.length < MOST) {
        seen.add(words);
        found.push({ start, end });
      }
    }
    return found;
  }

  // The server counts code points; a browser counts UTF-16 units.
  const codePoints = (text, place) => Array.from(text.slice(0, place)).length;

  return { trimmed, propose, codePoints };
})();
