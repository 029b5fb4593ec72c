// Domains by words: `mssante_audit.whitelist.search` in JavaScript, number for number. `documents` are arrays of a
// domain, its texts, and those of its operators and places, folded.
const EQUAL = 10, MEANT = 8, BEGINS = 7, INSIDE = 5, SLIP = 4, NEAR = 3, NAMED = 3, OTHER = 2;
const MOST_WORDS = 12, MOST_NEAR = 10, FEW = 5, LEAST = 5, LONG = 64;

const indexed = (documents, vocabulary, fold) => {
  const groups = (all) => new Map(all.flatMap((group) => group.map((word) => [word, group])));
  const same = groups(vocabulary.same), spelt = groups(vocabulary.spelt), small = new Set(vocabulary.small);
  const shortened = (words) => vocabulary.short.reduce((all, [long, short]) =>
    ` ${all} `.replaceAll(` ${long} `, ` ${short} `).trim(), words);
  const slips = (word) => new Set([word, ...[...word].map((_, at) => word.slice(0, at) + word.slice(at + 1))]);
  const pairs = (word) => new Set(Array.from({ length: Math.max(word.length - 1, 0) }, (_, at) => word.slice(at, at + 2)));
  const shared = (some, others) => [...some].filter((part) => others.has(part)).length;
  const size = documents.length, folded = documents.map(([name]) => fold(name)), places = new Map();
  documents.forEach(([, named, other], at) => {
    for (const [counts, words] of [[OTHER, other], [NAMED, named]]) {
      for (const word of `${words} ${shortened(words)}`.split(" ").filter(Boolean)) {
        if (!places.has(word)) places.set(word, new Map());
        places.get(word).set(at, counts);
      }
    }
  });
  const counted = (like) => {
    const weights = new Map();
    for (const [word, much] of like) {
      for (const [at, counts] of places.get(word) ?? []) weights.set(at, Math.max(weights.get(at) ?? 0, much * counts));
    }
    return weights;
  };
  const having = (word) => {
    const like = new Map((same.get(word) ?? []).map((token) => [token, MEANT]));
    for (const token of places.keys()) {
      if (token.includes(word) && (word.length > 2 || token.startsWith(word))) like.set(token, token.startsWith(word) ? BEGINS : INSIDE);
    }
    for (const token of spelt.get(word) ?? [word]) like.set(token, EQUAL);
    const weights = counted(like);
    if (weights.size >= FEW || word.length < 4 || word.length >= LONG || /^\d+$/.test(word)) return weights;
    const mistyped = slips(word);
    const near = [...places.keys()].filter((token) => Math.abs(token.length - word.length) < 2 && shared(mistyped, slips(token)));
    return new Map([...counted(near.map((token) => [token, SLIP])), ...weights]);
  };
  const like = (word) => {
    const wanted = pairs(word);
    return counted([...places.keys()].filter((token) => {
      const others = pairs(token), all = wanted.size + others.size;
      return all && 4 * shared(wanted, others) >= all;
    }).map((token) => [token, NEAR]));
  };
  // The places of the documents that have the words, the best first, and whether they have them all.
  return (typed) => {
    const wanted = fold(typed.trim().replace(/^.*@/s, "")), all = [...new Set(shortened(wanted).split(" ").filter(Boolean))];
    const words = all.filter((word) => !small.has(word)).slice(0, MOST_WORDS);
    if (!words.length) return [null, true];
    const names = words.filter((word) => !same.has(word)), needed = names.length ? names : words;
    let had = new Map(words.map((word) => [word, having(word)]));
    let matching = [...had.get(needed[0]).keys()].filter((at) => needed.every((word) => had.get(word).has(at))), most = 0;
    const whole = matching.length > 0;
    if (!whole) {
      had = new Map(words.map((word) => [word, had.get(word).size ? had.get(word) : like(word)]));
      matching = [...new Set(needed.flatMap((word) => [...had.get(word).keys()]))];
    }
    const scores = new Map(matching.map((at) => [at, 0]));
    for (const [word, weights] of had) {
      const rarity = 32 - Math.clz32(Math.floor(size / Math.max(weights.size, 1)));
      if (needed.includes(word)) most += rarity * EQUAL * NAMED;
      for (const [at, counts] of weights) if (scores.has(at)) scores.set(at, scores.get(at) + rarity * counts);
    }
    const exact = (at) => [wanted, `${wanted} mssante fr`].includes(folded[at]) ? 0 : 1, name = (at) => documents[at][0];
    const best = matching.filter((at) => whole || LEAST * scores.get(at) >= most).sort((a, b) => exact(a) - exact(b) || scores.get(b) - scores.get(a)
      || name(a).length - name(b).length || (name(a) < name(b) ? -1 : 1));
    return [whole ? best : best.slice(0, MOST_NEAR), whole];
  };
};
