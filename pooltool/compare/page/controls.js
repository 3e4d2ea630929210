// What the toolbar and the four pictures are built of, and what the controls say.

const SPEEDS = { slow: 1, normal: 2, fast: 4 };
const BOXES = [...SWITCHES, ...VIEWS];

function buildControls() {
  const choice = (key, chosen) => `<span class="field choice"><label for="${key}" data-text="${key}">
    </label><select id="${key}" onchange="${chosen}(this.value)"></select></span>`;
  const button = (key, sign, by) => `<button id="${key}${by}" onclick="step('${key}', ${by})"
    aria-labelledby="${key}_label ${key}${by}">${sign}</button>`;
  const size = (key) => `<fieldset class="field" id="${key}_field">
    <label for="${key}" id="${key}_label" data-text="${key}"></label>
    ${button(key, "−", -1)} <input id="${key}" autocomplete="off" aria-describedby="${key}_wrong"
      oninput="writeSize('${key}', this.value)" onblur="describeSize('${key}')"> ${button(key, "+", 1)}
    <span class="wrong" id="${key}_wrong" role="alert"></span></fieldset>`;
  const box = (key) => `<label class="switch"><input type="checkbox" id="${key}"
    onchange="change({ ${key}: this.checked })"><span data-text="${key}_switch"></span></label>`;
  const all = (keys, build) => keys.map(build).join("");
  $("toolbar").innerHTML = `${choice("picture", "choosePicture")}
    <button onclick="$('chosen').click()" data-text="open"></button>
    <input id="chosen" type="file" accept="image/*" onchange="openFile(this.files[0])" hidden>
    ${choice("preset", "choosePreset")}${all(SIZES.slice(0, 3), size)}
    <details id="more"><summary data-text="more_settings"></summary><div id="others">
      ${all(SIZES.slice(3), size)}${all(SWITCHES, box)}
    </div></details>
    ${all(VIEWS, box)}
    <span id="player"><button id="back" onclick="stepWindow(-1)" data-label="previous">◀</button>
      <button id="play" onclick="play()" class="main"></button>
      <button id="next" onclick="stepWindow(1)" data-label="next">▶</button>
      <select id="speed" onchange="state.speed = this.value" data-label="speed"></select></span>`;
  $("pictures").innerHTML = all(NAMES, (name) => `<figure class="${name}">
    <figcaption><h2 data-text="${name}"></h2><span class="shape"></span>
      <button class="save" onclick="save('${name}')">PNG</button></figcaption>
    <div class="frame"><canvas id="${name}" tabindex="0" role="application"
        onpointermove="onPointer('${name}', event)" onpointerdown="onPointer('${name}', event)"
        onkeydown="onKey('${name}', event)"></canvas>
      <div class="fields"></div></div>
    <dl></dl></figure>`);
}

// The lecture's grid comes with its windows; another picture keeps those it had, if they fit.
function choosePicture(key) {
  const { height, width } = (have[key] || { info }).info;
  let windows = key === "lecture" ? PRESETS.lecture : {};
  try {
    if (key !== "lecture") layOver(height, width, { ...state, stride: strideNow() });
  } catch (error) {
    if (!error.reason) throw error;
    windows = { ...plain(2), pool_size: [Math.min(2, height), Math.min(2, width)] };
  }
  change({ picture: key, edits: [], selected: null, ...windows });
}
const choosePreset = (key) => change(PRESETS[key]);

function writeSize(key, words) {
  const value = parse(key, words);
  describeSize(key, value === undefined);
  if (value !== undefined) change({ [key]: value });
}

// The buttons beside a field.
function step(key, by) {
  const least = key === "padding" ? 0 : 1;
  const moved = (given) => (Array.isArray(given) ? given.map(moved) : Math.max(least, given + by));
  let value = key === "stride" ? strideNow() : state[key];
  if (value === "same") value = NO_PADDING;
  else if (!value) value = by > 0 && layout ? countsOf() : null; // of an output size
  else if (key === "output_size" && by + Math.max(...value) < 1) value = null;
  else value = moved(value);
  change({ [key]: value });
}

// The options of a list.
function offer(id, keys, chosen, prefix = "") {
  $(id).replaceChildren(...keys.map((value) => (
    make("option", { value, textContent: text(prefix + value), selected: value === chosen }))));
}

function describeControls() {
  const isEdited = state.edits.length > 0, names = Object.keys(PRESETS);
  const all = [isEdited && "written", "file", have.dropped && "dropped", "lecture"].filter(Boolean);
  offer("picture", all, isEdited ? "written" : state.picture);
  const preset = names.find((key) => same(windowsOf(PRESETS[key]), windowsOf(state))) || "own";
  offer("preset", preset === "own" ? ["own", ...names] : names, preset, "preset_");
  offer("speed", Object.keys(SPEEDS), state.speed);
  SIZES.forEach((key) => describeSize(key));
  for (const key of BOXES) $(key).checked = state[key];
  $("ceil_mode").disabled = Boolean(state.output_size);
  $("difference").disabled = !(state.noise || state.move || isEdited);
  $("play").textContent = text(state.timer ? "stop" : "play");
  for (const id of ["play", "back", "next"]) $(id).disabled = Boolean(state.problem);
  $("large").setAttribute("aria-pressed", state.large);
  $("restore").hidden = !isEdited;
  $("pictures").setAttribute("aria-busy", Boolean(state.isStale));
}

// What a preset says of the windows: with an output size nothing else matters.
const windowsOf = (s) => (s.output_size ? [s.output_size]
  : [s.pool_size, s.stride || s.pool_size, s.padding, s.dilation, s.ceil_mode]);

// A field. What is being written stays as it is; see `parse`.
function describeSize(key, isWrong = false) {
  const input = $(key), hint = text(key === "padding" ? "bad_padding" : "bad_size");
  const placeholder = key === "stride" ? sizeText(key, state.pool_size) : text("off");
  Object.assign(input, { placeholder, title: hint, ariaInvalid: isWrong });
  $(`${key}_field`).disabled = key !== "output_size" && Boolean(state.output_size);
  $(`${key}_wrong`).textContent = isWrong ? hint : "";
  if (!isWrong && document.activeElement !== input) input.value = sizeText(key, state[key]);
}

// The numbers of a small picture as fields over its cells; one takes the keyboard at a time.
const isSmall = () => Math.max(info.height, info.width) <= LARGEST_GRID;
const numbersAt = (index) => pictures.input.planes.map((plane) => plane[index]);
const placeOf = (index) => [Math.floor(index / info.width), index % info.width];

function placeFields() {
  const fields = document.querySelector("figure.input .fields"), { height, width } = info;
  fields.hidden = !isSmall() || state.noise || state.move || state.difference || view.scale[0] < 14;
  if (fields.hidden) return;
  if (fields.children.length !== height * width) {
    fields.replaceChildren(...Array.from({ length: height * width }, (_, index) => make("input", {
      autocomplete: "off", inputMode: "decimal", tabIndex: index ? -1 : 0,
      onfocus: (event) => { event.target.select(); hold("input", placeOf(index)); },
      oninput: (event) => edit(index, event.target.value),
      onkeydown: (event) => moveField(event, index, fields),
      onblur: (event) => { event.target.value = numbersAt(index).join(" "); },
    })));
  }
  const left = $("input").offsetLeft + drawnAt(view, 1, 0);
  Object.assign(fields.style, { left: `${left}px`, top: `${drawnAt(view, 0, 0)}px`,
    width: `${width * view.scale[1]}px`, height: `${height * view.scale[0]}px`,
    gridTemplateColumns: `repeat(${width}, 1fr)`, fontSize: `${Math.min(24, view.scale[1] / 2.4)}px` });
  [...fields.children].forEach((field, index) => {
    const [row, column] = placeOf(index);
    field.ariaLabel = text("at", { row, column });
    if (document.activeElement !== field) field.value = numbersAt(index).join(" ");
  });
}

// Take the numbers of a cell, one a channel, with a space between them.
function edit(index, words) {
  const values = words.replaceAll("−", "-").replaceAll(",", ".").trim().split(/\s+/).map(Number);
  const isGood = values.length === info.channels.length && values.every(Number.isFinite);
  $("bad_number").textContent = isGood || !words.trim() ? "" : text("bad_number", { words });
  if (!isGood || !words.trim()) return;
  const edits = [...state.edits.filter(([other]) => other !== index), [index, ...values]];
  change({ edits: edits.sort((a, b) => a[0] - b[0]) }, false); // a letter is no step in the history
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
