"use strict";
// Shows an answer. Whatever comes from users or the knowledge base becomes text nodes, never markup.
const results = (() => {
  const MATCHES = { name: "name matches exactly", alias: "an alias matches exactly", part: "name matches in part" };
  const FIRST = 5; // candidates shown at once
  const SURE = 0.5; // below it an answer is as likely wrong as right
  const { plain, percent } = figures;
  const at = (id) => document.getElementById(id);

  function make(tag, options = {}, ...children) {
    const { className, ...attributes } = options;
    const element = document.createElement(tag);
    if (className) element.className = className;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function verdict(link, threshold) {
    const words = make("mark", {}, link.mention || "the picture");
    const said = (kind, verb, answer, reason) =>
      make("div", { className: `verdict ${kind}` }, words, ` ${verb}`, make("strong", {}, answer), make("p", { className: "hint" }, reason));
    if (link.decision === "linked") {
      const doubtful = link.probability !== null && link.probability < SURE;
      const sure = link.probability === null ? "" : ` \u00b7 probability ${percent(link.probability)}`;
      return said(doubtful ? "doubtful" : "linked", doubtful ? "may mean" : "means", link.name, link.entity_id + sure);
    }
    const sure = link.probability === null ? "" : ` Probability that it does: ${percent(link.probability)}.`;
    if (link.decision === "nil") {
      return said("nil", "means", "NIL: no entity of the knowledge base", `The knowledge base seems to lack the entity.${sure}`);
    }
    const best = link.candidates[0];
    let reason = "There is nothing in it that this model reads.";
    if (best && threshold !== null) reason = `The best candidate's probability, ${percent(best.probability)}, is below the threshold of ${percent(threshold)}.`;
    else if (best) reason = "This model links nothing: no threshold keeps the precision of links that was asked for.";
    return said("nil", "is left open", "Unsure: not linked", reason);
  }

  function bar(candidate, threshold) {
    const likely = candidate.probability !== null;
    const value = likely ? candidate.probability : Math.max(0, candidate.score);
    const fill = make("i");
    fill.style.width = `${value < 0.001 ? 0 : Math.min(100, 100 * value)}%`;
    const track = make("div", { className: "bar", "aria-hidden": "true" }, fill);
    if (likely && threshold !== null) {
      const tick = make("u", { title: `threshold ${percent(threshold)}` });
      tick.style.left = `${100 * threshold}%`;
      track.append(tick);
    }
    const shown = make("output", { title: likely ? "probability" : "score" }, likely ? percent(value) : plain(candidate.score));
    return make("div", { className: "measure" }, track, make("span", {}, make("span", { className: "vh" }, likely ? "probability " : "score "), shown));
  }

  // Where there is no probability the score stands beside the bar already.
  function brief(candidate) {
    const match = MATCHES[candidate.name_match];
    const facts = [
      ...(candidate.probability === null ? [] : [make("li", {}, `score ${plain(candidate.score)}`)]),
      ...(match ? [make("li", { className: "good" }, match)] : []),
    ];
    return facts.length ? make("ul", { className: "why", "aria-label": "In brief" }, ...facts) : "";
  }

  function more(candidate, ask) {
    const box = make("details", {}, make("summary", {}, "More"));
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
    body.append(make("div", { className: "panels" }, brief(candidate), why.panel(candidate, tools), more(candidate, tools.ask)));
    const pictured = link.candidates.some((one) => one.picture);
    const parts = pictured ? [thumb(candidate, tools.picture), body] : [body];
    return make("li", { className: `candidate${chosen ? " chosen" : ""}${pictured ? "" : " bare"}` }, ...parts);
  }

  // The best candidates; the others on request, since they are rarely meant.
  function list(link, threshold, tools) {
    const rows = link.candidates.map((candidate) => row(candidate, link, threshold, tools));
    at("candidates").append(...rows.slice(0, FIRST));
    const others = rows.slice(FIRST);
    at("others").hidden = !others.length;
    at("others").textContent = `Show ${others.length} more`;
    at("others").onclick = () => {
      at("others").hidden = true;
      at("candidates").append(...others);
      others[0].setAttribute("tabindex", "-1");
      others[0].focus();
    };
  }

  function rest(link, threshold) {
    if (!link.candidates.length || link.candidates[0].probability === null) return "";
    const tick = threshold === null ? "" : ` The tick on each bar is the threshold of ${percent(threshold)}: from there on the first is linked.`;
    const others = Math.max(0, 1 - link.candidates.reduce((sum, candidate) => sum + candidate.probability, 0));
    return `NIL and all other entities: ${percent(others)} together.${tick}`;
  }

  function clear() {
    for (const id of ["verdict", "candidates", "rest", "warnings", "problem"]) at(id).replaceChildren();
    at("problem").hidden = true;
    at("others").hidden = true;
    at("empty").hidden = true;
  }

  function show(link, threshold, tools) {
    clear();
    at("verdict").append(verdict(link, threshold));
    list(link, threshold, tools);
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
