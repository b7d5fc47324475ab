// Byte-level BPE, as GPT-2 reads text. The list of merges (vocab.bpe) is
// enough: 256 bytes, then one token for each merge in the order in which
// they were learned, then <|endoftext|>.

const END = "<|endoftext|>";

// Unicode's white space. JavaScript's own \s has one character more (the
// byte order mark) and one less (next line).
const S = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029" +
  "\\u202f\\u205f\\u3000";
const WORDS = new RegExp(
  "'s|'t|'re|'ve|'m|'ll|'d" + // endings of English words
  "| ?\\p{L}+| ?\\p{N}+" + // letters, numbers
  `| ?[^${S}\\p{L}\\p{N}]+` + // punctuation and the rest
  `|[${S}]+(?![^${S}])|[${S}]+`, // spaces, but for one before a word
  "gu",
);

/** Every byte as a printable character, in the order of the first ids. */
function byteCharacters() {
  const range = (from, to) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const printable = [...range(33, 126), ...range(161, 172),
    ...range(174, 255)];
  const others = range(0, 255).filter((b) => !printable.includes(b));
  return new Map([
    ...printable.map((b) => [b, String.fromCharCode(b)]),
    ...others.map((b, i) => [b, String.fromCharCode(256 + i)]),
  ]);
}
const BYTE_TO_CHARACTER = byteCharacters();
const CHARACTER_TO_BYTE = new Map(
  [...BYTE_TO_CHARACTER].map(([byte, character]) => [character, byte]),
);

export class Tokenizer {
  /** @param {string} merges content of vocab.bpe: one pair on each line */
  constructor(merges) {
    const lines = merges.split("\n")
      .filter((line) => line && !line.startsWith("#version"));
    this.ranks = new Map(lines.map((line, rank) => [line, rank]));
    this.tokens = [...BYTE_TO_CHARACTER.values(),
      ...lines.map((line) => line.replace(" ", "")), END];
    this.ids = new Map(this.tokens.map((token, id) => [token, id]));
    this.endOfText = this.tokens.length - 1;
    this.known = new Map(); // words that were cut before
  }

  /** Text to token ids. */
  encode(text) {
    const ids = [];
    for (const [i, part] of text.split(END).entries()) {
      if (i > 0) ids.push(this.endOfText);
      for (const [word] of part.matchAll(WORDS)) {
        // one by one: a call takes only so many arguments
        for (const id of this.encodeWord(word)) ids.push(id);
      }
    }
    return ids;
  }

  /** One word: apply the merge that was learned first, again and again. */
  encodeWord(word) {
    if (this.known.has(word)) return this.known.get(word);
    let parts = [...new TextEncoder().encode(word)]
      .map((byte) => BYTE_TO_CHARACTER.get(byte));
    while (parts.length > 1) {
      let best = Infinity, pair = null;
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = this.ranks.get(`${parts[i]} ${parts[i + 1]}`);
        if (rank < best) [best, pair] = [rank, [parts[i], parts[i + 1]]];
      }
      if (!pair) break;
      const merged = [];
      for (let i = 0; i < parts.length; i++) {
        if (parts[i] === pair[0] && parts[i + 1] === pair[1]) {
          merged.push(parts[i] + parts[++i]);
        } else merged.push(parts[i]);
      }
      parts = merged;
    }
    const ids = parts.map((part) => this.ids.get(part));
    if (this.known.size < 20_000) this.known.set(word, ids);
    return ids;
  }

  /** Bytes of one token; <|endoftext|> is the text of its name. */
  bytes(id) {
    if (id === this.endOfText) return [...new TextEncoder().encode(END)];
    return [...this.tokens[id]].map((c) => CHARACTER_TO_BYTE.get(c));
  }

  /** Token ids to text; what is no character yet becomes a question mark
   *  in a diamond. */
  decode(ids) {
    const bytes = ids.flatMap((id) => this.bytes(id));
    return new TextDecoder("utf-8", { ignoreBOM: true })
      .decode(Uint8Array.from(bytes));
  }
}
