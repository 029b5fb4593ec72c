// Domains by words: `mssante_audit.whitelist.search` in JavaScript, number for number. `documents` are arrays of a
// domain, its texts, and those of its operators and places, folded.
const EQUAL = 10, MEANT = 8, BEGINS = 7, INSIDE = 5, SLIP = 4, NEAR = 3, NAMED = 3, OTHER = 2;
const MOST_WORDS = 12, MOST_NEAR = 10, FEW = 5, LEAST = 5, LONG = 64;

const indexed = (documents, spoken, fold) => {
  const groups = (all) => new Map(all.flatMap((group) => group.map((word) => [word, group])));
  const same = groups(spoken.same), spelt = groups(spoken.spelt), small = new Set(spoken.small);
  const shortened = (words) => spoken.short.reduce((all, [long, short]) =>
    ` ${all} `.replaceAll(` ${long} `, ` ${short} `).trim(), words);
  const slips = (word) => new Set([word, ...[...word].map((_, at) => word.slice(0, at) + word.slice(at + 1))]);
  const pairs = (word) => new Set(Array.from({ length: Math.max(word.length - 1, 0) }, (_, at) => word.slice(at, at + 2)));
  const shared = (own, others) => [...own].filter((one) => others.has(one)).length;
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
    const found = new Map();
    for (const [word, much] of like) {
      for (const [at, counts] of places.get(word) ?? []) found.set(at, Math.max(found.get(at) ?? 0, much * counts));
    }
    return found;
  };
  const having = (word) => {
    const like = new Map((same.get(word) ?? []).map((one) => [one, MEANT]));
    for (const token of places.keys()) {
      if (token.includes(word) && (word.length > 2 || token.startsWith(word))) like.set(token, token.startsWith(word) ? BEGINS : INSIDE);
    }
    for (const one of spelt.get(word) ?? [word]) like.set(one, EQUAL);
    const found = counted(like);
    if (found.size >= FEW || word.length < 4 || word.length >= LONG || /^\d+$/.test(word)) return found;
    const own = slips(word);
    const near = [...places.keys()].filter((token) => Math.abs(token.length - word.length) < 2 && shared(own, slips(token)));
    return new Map([...counted(near.map((token) => [token, SLIP])), ...found]);
  };
  const like = (word) => {
    const own = pairs(word);
    return counted([...places.keys()].filter((token) => {
      const others = pairs(token), all = own.size + others.size;
      return all && 4 * shared(own, others) >= all;
    }).map((token) => [token, NEAR]));
  };
  // The places of the documents that have the words, the best first, and whether they have them all.
  return (typed) => {
    const wanted = fold(typed.trim().replace(/^.*@/s, "")), all = [...new Set(shortened(wanted).split(" ").filter(Boolean))];
    const words = all.filter((word) => !small.has(word)).slice(0, MOST_WORDS);
    if (!words.length) return [null, true];
    const names = words.filter((word) => !same.has(word)), needed = names.length ? names : words;
    let had = new Map(words.map((word) => [word, having(word)]));
    let found = [...had.get(needed[0]).keys()].filter((at) => needed.every((word) => had.get(word).has(at))), most = 0;
    const whole = found.length > 0;
    if (!whole) {
      had = new Map(words.map((word) => [word, had.get(word).size ? had.get(word) : like(word)]));
      found = [...new Set(needed.flatMap((word) => [...had.get(word).keys()]))];
    }
    const scores = new Map(found.map((at) => [at, 0]));
    for (const [word, own] of had) {
      const rarity = 32 - Math.clz32(Math.floor(size / Math.max(own.size, 1)));
      if (needed.includes(word)) most += rarity * EQUAL * NAMED;
      for (const [at, counts] of own) if (scores.has(at)) scores.set(at, scores.get(at) + rarity * counts);
    }
    const exact = (at) => [wanted, `${wanted} mssante fr`].includes(folded[at]) ? 0 : 1, name = (at) => documents[at][0];
    const best = found.filter((at) => whole || LEAST * scores.get(at) >= most).sort((a, b) => exact(a) - exact(b) || scores.get(b) - scores.get(a)
      || name(a).length - name(b).length || (name(a) < name(b) ? -1 : 1));
    return [whole ? best : best.slice(0, MOST_NEAR), whole];
  };
};
