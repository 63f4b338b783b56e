"use strict";
// The form: text, marked words, picture, token; sends them and hands the answer over.
(() => {
  const at = (id) => document.getElementById(id);
  const text = at("text");
  const state = { mention: null, file: null, threshold: null, asking: null, pictures: [], blind: false };

  function headers() {
    const token = at("token").value.trim();
    return token ? { Authorization: `Bearer ${token}` } : {};
  }

  async function ask(address, options = {}) {
    let answer;
    try {
      answer = await fetch(address, { ...options, headers: headers(), credentials: "omit" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw { message: "The server cannot be reached.", fix: "Check that it runs, and try again." };
    }
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({}));
    if (answer.status === 401) {
      at("token-row").hidden = false;
      at("token").focus();
    }
    throw { message: problem.message || `The server answered ${answer.status}.`, fix: problem.fix };
  }

  // An <img> cannot carry a token, so pictures are fetched like everything else.
  async function picture(address) {
    const made = URL.createObjectURL(await (await ask(address)).blob());
    state.pictures.push(made);
    return made;
  }

  function mark(start, end) {
    const span = spans.trimmed(text.value, start, end);
    state.mention = span.start < span.end ? span : null;
    draw();
  }

  function draw() {
    const { value } = text;
    const span = state.mention;
    const shade = at("shade");
    // A last line break needs something after it to take up a line.
    shade.replaceChildren(...(span ? [value.slice(0, span.start), results.make("mark", {}, value.slice(span.start, span.end)), value.slice(span.end)] : [value]), "\u200b");
    shade.scrollTop = text.scrollTop;
    at("mention").replaceChildren(...(span ? ["Mention: ", results.make("mark", {}, value.slice(span.start, span.end))] : []));
    for (const chip of at("proposals").children) {
      chip.setAttribute("aria-pressed", String(Boolean(span) && chip.textContent === value.slice(span.start, span.end)));
    }
  }

  function propose() {
    at("proposals").replaceChildren(...spans.propose(text.value).map((span) => {
      const chip = results.make("button", { type: "button", "aria-pressed": "false" }, text.value.slice(span.start, span.end));
      chip.addEventListener("click", () => { mark(span.start, span.end); link(); });
      return chip;
    }));
  }

  function edited() {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight + 2}px`;
    if (state.mention) {
      const words = at("mention").querySelector("mark").textContent;
      const place = text.value.indexOf(words);
      state.mention = place < 0 ? null : { start: place, end: place + words.length };
    }
    propose();
    draw();
  }

  function selected() {
    if (text.selectionStart !== text.selectionEnd) mark(text.selectionStart, text.selectionEnd);
  }

  function choose(file) {
    if (state.blind) return;
    if (state.file) URL.revokeObjectURL(at("preview-image").src);
    state.file = file;
    at("preview").hidden = !file;
    if (file) {
      at("preview-image").src = URL.createObjectURL(file);
      at("preview-name").textContent = file.name;
    } else {
      at("picture").value = "";
    }
  }

  function request() {
    const form = new FormData();
    const { value } = text;
    const span = state.mention;
    if (value) form.append("context", value);
    if (span) {
      form.append("mention", value.slice(span.start, span.end));
      form.append("start", spans.codePoints(value, span.start));
      form.append("end", spans.codePoints(value, span.end));
    }
    if (state.file) form.append("image", state.file);
    form.append("details", "true");
    return form;
  }

  // What was sent, and the same asked again with explanations: once, when the first is wanted.
  function explaining(form) {
    const file = form.get("image");
    const sent = { text: form.get("context") || "", picture: file && URL.createObjectURL(file) };
    if (sent.picture) state.pictures.push(sent.picture);
    let told = null;
    const explain = () => {
      const again = new FormData();
      for (const [name, value] of form) again.append(name, value);
      again.append("explain", "true");
      told = told || ask("link", { method: "POST", body: again }).then((answer) => answer.json()).catch((error) => { told = null; throw error; });
      return told;
    };
    return { sent, explain };
  }

  async function link() {
    if (!state.mention && !state.file) {
      results.fail("No words are marked.", "Select the words to link in the text, or pick a proposal.");
      text.focus();
      return;
    }
    if (state.asking) state.asking.abort();
    const asking = new AbortController();
    state.asking = asking;
    at("results").setAttribute("aria-busy", "true");
    at("link").disabled = true;
    try {
      const form = request();
      const answer = await (await ask("link", { method: "POST", body: form, signal: asking.signal })).json();
      state.pictures.splice(0).forEach((made) => URL.revokeObjectURL(made));
      results.show(answer, state.threshold, { ask, picture, ...explaining(form) });
      if (matchMedia("(max-width: 800px)").matches) at("results").scrollIntoView({ block: "start" });
    } catch (error) {
      if (error.name === "AbortError") return;
      results.fail(error.message, error.fix);
    } finally {
      if (state.asking === asking) {
        state.asking = null;
        at("results").removeAttribute("aria-busy");
        at("link").disabled = false;
      }
    }
  }

  async function begin() {
    try {
      const health = await (await ask("health")).json();
      state.threshold = health.threshold;
      at("token-row").hidden = !health.token_needed;
      at("about").textContent = `Which of ${health.entities.toLocaleString("en")} entities do these words mean?`;
      state.blind = !health.reads_pictures;
      at("pictures").hidden = state.blind;
      if (state.blind) at("picture-note").textContent = "This model reads no pictures: it links by text alone.";
    } catch (error) {
      results.fail(error.message, error.fix);
    }
    if (text.value) edited(); // kept by the browser over a reload
  }

  const drop = at("drop");
  const holdsFile = (event) => event.dataTransfer && Array.from(event.dataTransfer.types).includes("Files");
  addEventListener("dragover", (event) => { if (holdsFile(event)) { event.preventDefault(); drop.classList.add("over"); } });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) choose(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = event.clipboardData && Array.from(event.clipboardData.files).find((item) => item.type.startsWith("image/"));
    if (file) { event.preventDefault(); choose(file); }
  });
  at("picture").addEventListener("change", () => choose(at("picture").files[0] || null));
  at("remove").addEventListener("click", () => { choose(null); at("picture").focus(); });
  at("preview-image").addEventListener("error", () => { at("preview-name").textContent = `${state.file ? state.file.name : ""} cannot be shown here`; });
  text.addEventListener("input", edited);
  for (const kind of ["select", "mouseup", "keyup", "touchend"]) text.addEventListener(kind, selected);
  text.addEventListener("scroll", () => { at("shade").scrollTop = text.scrollTop; });
  at("form").addEventListener("submit", (event) => { event.preventDefault(); link(); });
  addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); link(); }
  });
  begin();
})();
