"use strict";
// Shows why a candidate has its score: its parts, the words and the parts of the picture that speak for or against it.
const why = (() => {
  const KINDS = { text: "Text", lexical: "Spelling", image: "Picture", order: "Order" };
  const CHANNELS = {
    name: "the words alone", context: "the words in their text", years: "years in the text", lexical: "letters of the words",
    image: "the picture", image_parts: "its parts", image_layout: "its colours and layout",
  };
  const PLACES = ["top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right"];
  const NOTABLE = 0.0005;
  const make = (...all) => results.make(...all);
  const { plain, signed, whole } = figures;
  const side = (effect, least = NOTABLE) => (Math.abs(effect) < least ? "" : effect > 0 ? "for" : "against");

  // Small effects stay visible beside large ones.
  function shade(element, effect, most) {
    element.style.setProperty("--strength", `${Math.round(8 + 32 * Math.sqrt(Math.abs(effect) / most))}%`);
    return element;
  }

  // The range of the bars: `low` to `high`, with 0 in it.
  function bar(value, { low, high }) {
    const fill = make("i", { className: value < 0 ? "against" : "for" });
    const place = (point) => (100 * (point - low)) / (high - low);
    fill.style.left = `${place(Math.min(value, 0))}%`;
    fill.style.width = `${place(Math.max(value, 0)) - place(Math.min(value, 0))}%`;
    const share = make("div", { className: "share" }, fill);
    share.style.setProperty("--zero", `${place(0)}%`);
    return make("td", { "aria-hidden": "true" }, share);
  }

  function row(label, value, range, className) {
    return make("tr", { className }, make("th", { scope: "row" }, label), bar(value, range), make("td", { className: "number" }, signed(value)));
  }

  const channel = (part) => (part.stage === "reranker" ? `ranked again: ${part.name}` : CHANNELS[part.name] || part.name);

  function parts(candidate, told) {
    const values = [...Object.values(told.kinds), ...told.parts.map((part) => part.value)];
    const range = { low: Math.min(0, ...values), high: Math.max(1e-9, ...values) };
    const rows = Object.entries(told.kinds).flatMap(([kind, value]) => {
      const own = told.parts.filter((part) => part.kind === kind && (part.stage === "model" || side(part.value)));
      const detail = own.length > 1 ? own.map((part) => row(channel(part), part.value, range, "channel")) : [];
      return [row(KINDS[kind] || kind, value, range, "kind"), ...detail];
    });
    const sum = make("tr", { className: "kind sum" }, make("th", { scope: "row" }, "Sum: score"), make("td", { "aria-hidden": "true" }),
      make("td", { className: "number" }, plain(candidate.score)));
    return make("table", { className: "parts" }, make("caption", {}, "What the score is made of"), make("tbody", {}, ...rows, sum));
  }

  function word(one, most, least) {
    const kind = side(one.effect, least);
    const shown = make(one.place === "mention" ? "b" : "span", { className: `word ${kind}`, title: signed(one.effect) }, one.word);
    return kind ? shade(shown, one.effect, most) : shown;
  }

  function list(effects, label) {
    const named = effects.map(([name, effect]) => `${name} ${signed(effect)}`);
    return named.length ? make("p", { className: "hint" }, `${label}: ${named.join(", ")}`) : "";
  }

  function strongest(effects, count = 3) {
    const notable = effects.filter(([, effect]) => side(effect));
    const sorted = [...notable].sort((one, other) => other[1] - one[1]);
    return [sorted.filter(([, effect]) => effect > 0).slice(0, count), sorted.filter(([, effect]) => effect < 0).reverse().slice(0, count)];
  }

  function words(told, text) {
    if (!told.words.length) return [];
    const most = Math.max(...told.words.map((one) => Math.abs(one.effect)), 1e-9);
    // Each of many words changes a score a little; marked are those that stand out.
    const least = Math.max(NOTABLE, ...told.words.filter((one) => one.place === "context").map((one) => Math.abs(one.effect) / 5));
    const signs = Array.from(text); // the server counts code points
    const shown = make("p", { className: "sentence" });
    const placed = told.words.filter((one) => one.start !== null).sort((one, other) => one.start - other.start);
    const loose = told.words.filter((one) => one.start === null);
    shown.append(...loose.flatMap((one) => [word(one, most, least), " "]));
    let done = 0;
    for (const one of placed) {
      shown.append(signs.slice(done, one.start).join(""), word(one, most, least));
      done = one.end;
    }
    shown.append(signs.slice(done).join(""));
    const [good, bad] = strongest(told.words.map((one) => [`\u201c${one.word}\u201d`, one.effect]));
    return [make("h4", {}, "Words"), shown, list(good, "Speak for it"), list(bad, "Speak against it")];
  }

  function picture(told, address) {
    if (!told.picture || !address) return [];
    const { rows, columns, effects } = told.picture;
    const most = Math.max(...effects.map(Math.abs), 1e-9);
    const cells = effects.map((effect) => {
      const cell = make("i", { className: side(effect), title: signed(effect) });
      return side(effect) ? shade(cell, effect, most) : cell;
    });
    const grid = make("div", { className: "grid", "aria-hidden": "true" }, ...cells);
    grid.style.gridTemplate = `repeat(${rows}, 1fr) / repeat(${columns}, 1fr)`;
    const named = effects.map((effect, place) => [effects.length === PLACES.length ? PLACES[place] : `part ${place + 1}`, effect]);
    const [good, bad] = strongest(named, 2);
    const seen = make("div", { className: "seen" }, make("img", { src: address, alt: "The picture that was sent" }), grid);
    return [make("h4", {}, "Picture"), seen, list(good, "Speaks for it"), list(bad, "Speaks against it")];
  }

  function gates(told) {
    const shown = [["words and picture", told.gates.mention], ["the candidate", told.gates.entity]].filter(([, gate]) => gate !== null);
    if (!shown.length) return [];
    const told_of = shown.map(([name, gate]) => `of ${name} ${whole(gate)} text, ${whole(1 - gate)} picture`);
    return [make("p", { className: "hint" }, `Gates: ${told_of.join("; ")}.`)];
  }

  function fill(box, candidate, tools) {
    const told = candidate.explanation;
    box.append(parts(candidate, told), ...words(told, tools.sent.text), ...picture(told, tools.sent.picture), ...gates(told),
      make("p", { className: "hint" }, "A word or a part of the picture counts as much as the score falls without it."));
  }

  // The panel of a candidate; what it shows is asked for when the first panel of an answer is opened.
  function panel(candidate, tools) {
    const body = make("div", { "aria-live": "polite" });
    const box = make("details", { className: "explained" }, make("summary", {}, "Why this score?"), body);
    box.addEventListener("toggle", async () => {
      if (!box.open || box.dataset.filled) return;
      box.dataset.filled = "yes";
      body.replaceChildren(make("p", { className: "hint" }, "Asking\u2026"));
      try {
        const found = (await tools.explain()).candidates.find((one) => one.entity_id === candidate.entity_id);
        body.replaceChildren();
        fill(body, found, tools);
      } catch (error) {
        delete box.dataset.filled;
        body.replaceChildren(make("p", { className: "hint" }, `${error.message || "That failed."} ${error.fix || ""}`));
      }
    });
    return box;
  }

  return { panel };
})();
