"use strict";
// Shows an answer. Whatever comes from users or the knowledge base becomes text nodes, never markup.
const results = (() => {
  const MATCHES = { name: "name matches exactly", alias: "an alias matches exactly", part: "name matches in part" };
  const at = (id) => document.getElementById(id);

  function make(tag, options = {}, ...children) {
    const { className, ...attributes } = options;
    const element = document.createElement(tag);
    if (className) element.className = className;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  const percent = (value) => (value < 0.001 ? "< 0.1 %" : value < 1 && value > 0.999 ? "> 99.9 %" : `${(100 * value).toFixed(1)} %`);

  function verdict(link, threshold) {
    const words = make("mark", {}, link.mention || "the picture");
    if (link.entity_id !== "NIL") {
      const sure = link.probability === null ? "" : ` · probability ${percent(link.probability)}`;
      return make("div", { className: "verdict" }, words, " means", make("strong", {}, link.name),
        make("p", { className: "hint" }, link.entity_id + sure));
    }
    let reason = "There is no candidate.";
    const best = link.candidates[0];
    if (best) reason = "That the knowledge base lacks the entity is likely enough.";
    if (best && best.probability !== null && threshold !== null && best.probability < threshold) {
      reason = `The best candidate's probability, ${percent(best.probability)}, is below the threshold of ${percent(threshold)}.`;
    }
    const sure = link.probability === null ? "" : ` Probability of NIL: ${percent(link.probability)}.`;
    return make("div", { className: "verdict nil" }, words, " means", make("strong", {}, "NIL: no entity of the knowledge base"),
      make("p", { className: "hint" }, reason + sure));
  }

  function bar(candidate, threshold) {
    const likely = candidate.probability !== null;
    const value = likely ? candidate.probability : Math.max(0, candidate.score);
    const fill = make("i");
    fill.style.width = `${Math.min(100, 100 * value)}%`;
    const track = make("div", { className: "bar", "aria-hidden": "true" }, fill);
    if (likely && threshold !== null) {
      const tick = make("u", { title: `threshold ${percent(threshold)}` });
      tick.style.left = `${100 * threshold}%`;
      track.append(tick);
    }
    const shown = make("output", { title: likely ? "probability" : "score" }, likely ? percent(value) : candidate.score.toFixed(3));
    return make("div", { className: "measure" }, track, make("span", {}, make("span", { className: "vh" }, likely ? "probability " : "score "), shown));
  }

  function brief(candidate, best) {
    const list = make("ul", { className: "why", "aria-label": "Why" });
    list.append(make("li", {}, `score ${candidate.score.toFixed(3)}`));
    if (candidate !== best) list.append(make("li", {}, `${(best.score - candidate.score).toFixed(3)} behind the first`));
    const match = MATCHES[candidate.name_match];
    list.append(make("li", match ? { className: "good" } : {}, match || "name differs"));
    return list;
  }

  function more(candidate, ask) {
    const box = make("details", {}, make("summary", {}, "More about it"));
    box.addEventListener("toggle", async () => {
      if (!box.open || box.dataset.filled) return;
      box.dataset.filled = "yes";
      try {
        const entity = await (await ask(`entities/${encodeURIComponent(candidate.entity_id)}`)).json();
        const rows = [["also called", entity.aliases.join(", ")], ["description", entity.description], ...Object.entries(entity.attributes)];
        const shown = rows.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
        box.append(shown.length ? make("dl", {}, ...shown) : make("p", { className: "hint" }, "The knowledge base says no more about it."));
      } catch (error) {
        delete box.dataset.filled;
        box.open = false;
      }
    });
    return box;
  }

  function thumb(candidate, picture) {
    const letter = make("span", { className: "thumb", "aria-hidden": "true" }, Array.from(candidate.name)[0] || "?");
    if (candidate.picture) {
      picture(candidate.picture).then((address) => {
        const image = make("img", { className: "thumb", alt: "", src: address });
        image.addEventListener("load", () => letter.replaceWith(image));
      }).catch(() => {});
    }
    return letter;
  }

  function row(candidate, link, threshold, tools) {
    const chosen = candidate.entity_id === link.entity_id;
    const head = make("div", { className: "head" }, make("h3", {}, candidate.name), make("code", {}, candidate.entity_id));
    if (chosen) head.append(make("span", { className: "tag" }, "linked"));
    const body = make("div", {}, head, bar(candidate, threshold));
    if (candidate.description) body.append(make("p", { className: "about" }, candidate.description));
    body.append(brief(candidate, link.candidates[0]), why.panel(candidate, tools), more(candidate, tools.ask));
    return make("li", { className: chosen ? "candidate chosen" : "candidate" }, thumb(candidate, tools.picture), body);
  }

  function rest(link, threshold) {
    if (!link.candidates.length || link.candidates[0].probability === null) return "";
    const tick = threshold === null ? "" : ` The tick on each bar is the threshold of ${percent(threshold)}: from there on the first is linked.`;
    const others = Math.max(0, 1 - link.candidates.reduce((sum, candidate) => sum + candidate.probability, 0));
    return `NIL and all candidates that are not shown: ${percent(others)} together.${tick}`;
  }

  function clear() {
    for (const id of ["verdict", "candidates", "rest", "warnings", "problem"]) at(id).replaceChildren();
    at("problem").hidden = true;
    at("empty").hidden = true;
  }

  function show(link, threshold, tools) {
    clear();
    at("verdict").append(verdict(link, threshold));
    at("candidates").append(...link.candidates.map((candidate) => row(candidate, link, threshold, tools)));
    at("rest").textContent = rest(link, threshold);
    at("warnings").append(...link.warnings.map((text) => make("li", {}, text)));
  }

  function fail(message, fix) {
    clear();
    at("problem").append(make("b", {}, message), make("span", {}, fix || ""));
    at("problem").hidden = false;
  }

  return { show, fail, make };
})();
