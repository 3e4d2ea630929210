// The toolbar: what it is built of, and what it says.

const SPEEDS = { slow: 1, normal: 2, fast: 4 };

function buildControls() {
  const choice = (key) => `<span class="field choice"><label for="${key}" data-text="${key}"></label>
    <select id="${key}"></select></span>`;
  const size = (key) => `<span class="field"><label for="${key}" data-text="${key}"></label>
    <button>−</button> <input id="${key}" autocomplete="off" aria-describedby="${key}_wrong">
    <button>+</button> <span class="wrong" id="${key}_wrong" role="alert"></span></span>`;
  const box = (key, words) => `<label class="switch">
    <input type="checkbox" id="${key}"><span data-text="${words}"></span></label>`;
  $("toolbar").innerHTML = `${choice("picture")}<button id="open" data-text="open"></button>
    <input id="chosen" type="file" accept="image/*" hidden>${choice("preset")}
    ${SIZES.slice(0, 3).map(size).join("")}
    <details id="more"><summary data-text="more_settings"></summary><div id="others">
      ${SIZES.slice(3).map(size).join("")}${SWITCHES.map((key) => box(key, key)).join("")}
    </div></details>
    ${VIEWS.map((key) => box(key, `${key}_switch`)).join("")}
    <span id="player"><button id="back" data-label="previous">◀</button>
      <button id="play" class="main"></button> <button id="next" data-label="next">▶</button>
      <select id="speed" data-label="speed"></select></span>`;
  $("pictures").innerHTML = NAMES.map((name) => `<figure class="${name}">
    <figcaption><h2 data-text="${name}"></h2><span class="shape"></span>
      <button class="save">PNG</button></figcaption>
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
      describeSize(key, value === undefined);
      if (value !== undefined) set(key, value);
    };
  }
  for (const key of SWITCHES) $(key).onchange = () => set(key, $(key).checked);
  for (const key of VIEWS) $(key).onchange = () => setView(key, $(key).checked);
}

// The options of a list, {value: words}; the first is what it is called where `chosen` is none.
function offer(id, options, chosen) {
  $(id).replaceChildren(...Object.entries(options).map(([value, textContent]) => (
    make("option", { value, textContent, selected: value === String(chosen) }))));
}

function describeControls() {
  const { settings: s, edits } = state, isTwin = state.key === "lecture" && same(edits, TWIN);
  const named = (keys, prefix = "") => Object.fromEntries(keys.map((key) => [key, text(prefix + key)]));
  const written = edits.length && !isTwin ? ["written"] : [], opened = have.dropped ? ["dropped"] : [];
  offer("picture", named([...written, "file", ...opened, "lecture", "noisy"]),
    written[0] || (isTwin ? "noisy" : state.key));
  const names = Object.keys(PRESETS);
  const preset = names.find((key) => same(settingsOf(PRESETS[key]), settingsOf(s)));
  offer("preset", named(preset ? names : ["own", ...names], "preset_"), preset || "own");
  offer("speed", named(Object.keys(SPEEDS)), state.speed);
  offer("channel", info.channels.map((_, c) => channelName(c)), state.channel);
  SIZES.forEach((key) => describeSize(key));
  for (const key of SWITCHES) $(key).checked = s[key];
  for (const key of VIEWS) $(key).checked = state[key];
  $("ceil_mode").disabled = Boolean(s.output_size);
  $("difference").disabled = !(state.noise || state.move || edits.length);
  $("play").textContent = text(state.timer ? "stop" : "play");
  for (const id of ["play", "back", "next"]) $(id).disabled = Boolean(state.problem);
  $("large").setAttribute("aria-pressed", state.large);
  $("editing").hidden = !isSmall();
  $("restore").hidden = !edits.length;
  $("channel_choice").hidden = info.channels.length === 1;
}

// What a preset says of settings: with an output size nothing else matters.
const settingsOf = (s) => (s.output_size ? [s.output_size]
  : [s.pool_size, s.stride, s.padding, s.dilation, s.ceil_mode]);

// A field and its two buttons. What is being written stays as it is; see `parse`.
function describeSize(key, isWrong = false) {
  const input = $(key), value = state.settings[key], isStride = key === "stride";
  const isOff = key !== "output_size" && Boolean(state.settings.output_size);
  const hint = key === "padding" ? "bad_padding" : "bad_size";
  Object.assign(input, { placeholder: isStride ? sizeText(key, value) : text("off"), disabled: isOff,
    title: text(hint), ariaInvalid: isWrong });
  $(`${key}_wrong`).textContent = isWrong ? text(hint) : "";
  for (const button of input.parentElement.querySelectorAll("button")) {
    Object.assign(button, { ariaLabel: `${text(key)} ${button.textContent}`, disabled: isOff });
  }
  if (isWrong || document.activeElement === input) return;
  input.value = isStride && strideFollows() ? "" : sizeText(key, value);
}

// The numbers of a small picture as fields over its cells; one takes the keyboard at a time.
const isSmall = ({ height, width } = info) => Math.max(height, width) <= LARGEST_GRID;
const shownNumber = (index) => String(pictures.input.planes[state.channel][index]);
const placeOf = (index) => [Math.floor(index / info.width), index % info.width];

function placeFields() {
  const place = { x: $("input").offsetLeft, y: 0, low: view.low, scale: view.scale };
  const fields = document.querySelector("figure.input .fields"), count = info.height * info.width;
  fields.hidden = !isSmall() || state.noise || state.move || state.difference || view.scale[0] < 14;
  if (fields.hidden) return;
  if (fields.children.length !== count) {
    fields.replaceChildren(...Array.from({ length: count }, (_, index) => make("input", {
      autocomplete: "off", inputMode: "decimal", tabIndex: index ? -1 : 0,
      onfocus: (event) => { event.target.select(); hold("input", placeOf(index)); },
      oninput: (event) => edit(index, event.target.value),
      onkeydown: (event) => moveField(event, index, fields),
      onblur: (event) => { event.target.value = shownNumber(index); },
    })));
  }
  const [height, width] = view.scale.map((side) => `${side}px`);
  const channel = info.channels.length > 1 ? channelName(state.channel) : "";
  [...fields.children].forEach((field, index) => {
    const [row, column] = placeOf(index);
    Object.assign(field.style, { left: `${at(place, 1, column)}px`, top: `${at(place, 0, row)}px`,
      width, height, fontSize: `${Math.min(24, view.scale[1] / 2.4)}px` });
    field.ariaLabel = text("field", { row, column, channel }).trim();
    if (document.activeElement !== field) field.value = shownNumber(index);
  });
}

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
