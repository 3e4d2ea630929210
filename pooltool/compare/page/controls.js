// The toolbar: what it is built of, and what it says.

const SPEEDS = { slow: 1, normal: 2, fast: 4 };

function buildControls() {
  const stepper = (key) => `<span class="stepper">
    <label for="${key}" data-text="${key}"></label><button>−</button>
    <input id="${key}" size="4" autocomplete="off" aria-describedby="${key}_wrong"><button>+</button>
    <span class="wrong" id="${key}_wrong" role="alert" hidden></span></span>`;
  const box = (key, words) => `<label class="switch">
    <input type="checkbox" id="${key}"><span data-text="${words}"></span></label>`;
  $("sizes").innerHTML = SIZES.slice(0, 3).map(stepper).join("");
  $("others").innerHTML = SIZES.slice(3).map(stepper).join("")
    + SWITCHES.map((key) => box(key, key)).join("");
  $("views").innerHTML = VIEWS.map((key) => box(key, `${key}_switch`)).join("");
  $("pictures").innerHTML = NAMES.map((name) => `<figure class="${name}">
    <figcaption><h2 data-text="${name}"></h2><span class="shape"></span>
      <button class="save" data-text="save"></button></figcaption>
    <div class="frame"><canvas id="${name}" tabindex="0" role="application"></canvas>
      <div class="fields"></div></div>
    <dl></dl></figure>`).join("");
  for (const key of SIZES) {
    const input = $(key), [less, more] = input.parentElement.querySelectorAll("button");
    less.onclick = () => step(key, -1);
    more.onclick = () => step(key, 1);
    input.onchange = input.onblur = () => describeSize(key);
    input.oninput = () => {
      const value = parse(key, input.value);
      wrongSize(key, value === undefined);
      if (value !== undefined) set(key, value);
    };
  }
  for (const key of SWITCHES) $(key).onchange = () => set(key, $(key).checked);
  for (const key of VIEWS) $(key).onchange = () => setView(key, $(key).checked);
}

function options(select, keys, chosen, prefix = "") {
  select.replaceChildren(...keys.map((key) => make("option", {
    value: key, textContent: text(`${prefix}${key}`), selected: key === chosen })));
}

function describeControls() {
  const { settings: s } = state, isChanged = state.edits.length > 0;
  const keys = ["file", ...(have.dropped ? ["dropped"] : []), "lecture", "noisy"];
  const isTwin = state.key === "lecture" && same(state.edits, TWIN);
  const written = isChanged && !isTwin;
  options($("picture"), [...(written ? ["written"] : []), ...keys],
    written ? "written" : isTwin ? "noisy" : state.key);
  const preset = Object.keys(PRESETS).find((key) => same(settingsOf(PRESETS[key]), settingsOf(s)));
  const names = Object.keys(PRESETS);
  options($("preset"), preset ? names : ["own", ...names], preset || "own", "preset_");
  options($("speed"), Object.keys(SPEEDS), state.speed);
  SIZES.forEach(describeSize);
  for (const key of SWITCHES) {
    Object.assign($(key), { checked: s[key], disabled: key === "ceil_mode" && Boolean(s.output_size) });
  }
  for (const key of VIEWS) $(key).checked = state[key];
  $("difference").disabled = !(state.noise || state.move || isChanged);
  $("play").textContent = text(state.timer ? "stop" : "play");
  for (const id of ["play", "back", "next"]) $(id).disabled = Boolean(state.problem);
  $("large").setAttribute("aria-pressed", state.large);
  $("editing").hidden = !isSmall();
  $("restore").hidden = !isChanged;
  $("channel_choice").hidden = info.channels.length === 1;
  $("channel").replaceChildren(...info.channels.map((_, c) => make("option", {
    value: c, textContent: channelName(c), selected: c === state.channel })));
  for (const figure of document.querySelectorAll("figure .shape")) {
    figure.dataset.waiting = text("waiting");
  }
}

// What a preset says of settings: with an output size nothing else matters.
const settingsOf = (s) => (s.output_size ? [s.output_size]
  : [s.pool_size, s.stride, s.padding, s.dilation, s.ceil_mode]);

function wrongSize(key, isWrong) {
  const input = $(key), note = $(`${key}_wrong`);
  if (isWrong) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  note.hidden = !isWrong;
  note.textContent = isWrong ? text(key === "padding" ? "bad_padding" : "bad_size") : "";
}

// A field and its two buttons. What is being written stays as it is; see `parse`.
function describeSize(key) {
  const input = $(key), value = state.settings[key], buttons = input.parentElement.querySelectorAll("button");
  const isOff = key !== "output_size" && Boolean(state.settings.output_size);
  input.placeholder = key === "stride" ? sizeText(key, value) : text("off");
  input.title = text(key === "stride" ? "stride_hint" : "size_hint");
  input.disabled = isOff;
  buttons.forEach((button, i) => {
    button.setAttribute("aria-label", `${text(key)}: ${text(i ? "more" : "less")}`);
    button.disabled = isOff;
  });
  if (document.activeElement === input) return;
  wrongSize(key, false);
  input.value = key === "stride" && strideFollows() ? "" : sizeText(key, value);
}

// The numbers of a small picture as fields over its cells; one takes the keyboard at a time.
const isSmall = () => Math.max(info.height, info.width) <= LARGEST_GRID;

function placeFields() {
  const place = { x: 0, y: 0, low: view.low, scale: view.scale }, canvas = $("input");
  const fields = canvas.parentElement.querySelector(".fields");
  const isEdited = isSmall() && !state.noise && !state.move && !state.difference && view.scale[0] >= 14;
  fields.hidden = !isEdited;
  if (!isEdited) return;
  const count = info.height * info.width;
  if (fields.children.length !== count) {
    fields.replaceChildren(...Array.from({ length: count }, (_, index) => make("input", {
      autocomplete: "off", inputMode: "decimal", tabIndex: index ? -1 : 0,
      onfocus: (event) => {
        event.target.select();
        hold("input", [Math.floor(index / info.width), index % info.width]);
      },
      oninput: (event) => edit(index, event.target.value),
      onkeydown: (event) => moveField(event, index, fields),
      onblur: (event) => { event.target.value = shownNumber(index); },
    })));
  }
  const left = canvas.offsetLeft, fontSize = `${Math.min(24, view.scale[1] / 2.4)}px`;
  const names = { channel: info.channels.length > 1 ? channelName(state.channel) : "" };
  [...fields.children].forEach((field, index) => {
    const [row, column] = [Math.floor(index / info.width), index % info.width];
    Object.assign(field.style, { left: `${left + at(place, 1, column)}px`, top: `${at(place, 0, row)}px`,
      width: `${view.scale[1]}px`, height: `${view.scale[0]}px`, fontSize });
    field.setAttribute("aria-label", text("field", { row, column, ...names }).trim());
    if (document.activeElement !== field) field.value = shownNumber(index);
  });
}

const shownNumber = (index) => String(pictures.input.planes[state.channel][index]);

// Arrow keys go from field to field, as in a table.
function moveField(event, index, fields) {
  const by = { ArrowUp: -info.width, ArrowDown: info.width, ArrowLeft: -1, ArrowRight: 1,
    Enter: info.width }[event.key];
  const next = fields.children[index + by];
  if (event.key === "Escape") event.target.blur();
  if (!by || !next) return;
  event.preventDefault();
  for (const field of fields.children) field.tabIndex = field === next ? 0 : -1;
  next.focus();
}
