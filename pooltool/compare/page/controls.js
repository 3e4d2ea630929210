// What the toolbar and the four pictures are built of, and what the controls say.

const SPEEDS = { slow: 1, normal: 2, fast: 4 };
const TWIN = [[0, 1], [2, 2], [9, 2], [11, 3]]; // what lecture_noisy.pgm has other than lecture.pgm

function buildControls() {
  const all = (items, build) => items.map(build).join("");
  const options = (keys, prefix = "") => all(keys, (key) => (
    `<option value="${key}" data-text="${prefix}${key}"></option>`));
  const choice = (key, chosen, list) => `<span class="field choice"><label for="${key}"
    data-text="${key}"></label><select id="${key}" onchange="${chosen}">${list}</select></span>`;
  const button = (key, sign, by) => `<button id="${key}${by}" onclick="step('${key}', ${by})"
    aria-labelledby="${key}_label ${key}${by}">${sign}</button>`;
  const size = (key) => `<fieldset class="field" id="${key}_field">
    <label for="${key}" id="${key}_label" data-text="${key}"></label>
    ${button(key, "−", -1)} <input id="${key}" autocomplete="off" aria-describedby="${key}_wrong"
      oninput="writeSize('${key}')" onblur="describeSize('${key}')"> ${button(key, "+", 1)}
    <span class="wrong" id="${key}_wrong" role="alert"></span></fieldset>`;
  const box = (key) => `<label class="switch"><input type="checkbox" id="${key}"
    onchange="change({ ${key}: this.checked })"><span data-text="${key}_switch"></span></label>`;
  const pictureKeys = options(["file", "dropped", "lecture"]);
  const presets = options([...Object.keys(PRESETS), "own"], "preset_");
  $("toolbar").innerHTML = `${choice("picture", "choosePicture(this.value)", pictureKeys)}
    <button onclick="$('chosen').click()" data-text="open"></button>
    <input id="chosen" type="file" accept="image/*" onchange="openFile(this.files[0])" hidden>
    ${choice("preset", "change(PRESETS[this.value])", presets)}${all(SIZES.slice(0, 3), size)}
    <details id="more"><summary data-text="more_settings"></summary><div id="others">
      ${all(SIZES.slice(3), size)}${all(SWITCHES, box)}
    </div></details>
    ${all(VIEWS, box)}
    <span id="player"><button id="back" onclick="stepWindow(-1)" data-label="previous">◀</button>
      <button id="play" onclick="play()" class="main"></button>
      <button id="next" onclick="stepWindow(1)" data-label="next">▶</button>
      <select id="speed" onchange="state.speed = this.value" data-label="speed">
        ${options(Object.keys(SPEEDS))}</select></span>`;
  $("pictures").innerHTML = all(NAMES, (name) => `<figure class="${name}">
    <figcaption><h2 id="${name}_title" data-text="${name}"></h2>
      <span id="${name}_size" class="shape"></span> <button class="save" id="${name}_save"
        aria-labelledby="${name}_save ${name}_title" onclick="save('${name}')">PNG</button></figcaption>
    <div class="frame"><canvas id="${name}" tabindex="0" role="application"
      aria-labelledby="${name}_title ${name}_size" aria-describedby="how_to"
      onpointermove="onPointer('${name}', event)" onpointerdown="onPointer('${name}', event)"
      onkeydown="onKey('${name}', event)"></canvas></div>
    <dl id="${name}_figures"></dl></figure>`);
  $("lines").before(...NAMES.map((name) => make("div", { className: name, innerHTML: `
    <h3 data-text="${name}"></h3><canvas id="${name}_part" aria-hidden="true"
      onpointerdown="onPointer('${name}', event, closeUp)"></canvas>` })));
  $("picture").options[1].hidden = true; // until a picture is dropped
  $("input").after($("cell"));
  $("input").onclick = () => { if (isReady()) placeCell(); $("cell").focus(); };
}

// The lecture's grid comes with its windows, the page's file with those of the page.
function choosePicture(picture, fields = {}) {
  const windows = { file: DATA.settings, lecture: PRESETS.lecture }[picture];
  change({ ...windows, picture, edits: [], selected: null, ...fields });
}

function writeSize(key) {
  const value = parseSize(key, $(key).value);
  describeSize(key);
  if (value !== undefined) change({ [key]: value });
}

// The buttons beside a field.
function step(key, by) {
  const least = key === "padding" ? 0 : 1, value = key === "stride" ? strideNow() : state[key];
  let next = value === "same" ? [0, 0] : null;
  if (Array.isArray(value)) next = value.map((side) => Math.max(least, side + by));
  else if (key === "output_size" && by > 0 && layout) next = countsOf();
  if (key === "output_size" && same(next, value)) next = null; // below 1 it is off
  change({ [key]: next });
}

function describeControls() {
  const isPreset = (key) => same(windowsOf(PRESETS[key]), windowsOf(state));
  $("picture").value = state.picture;
  $("preset").value = Object.keys(PRESETS).find(isPreset) || "own";
  $("speed").value = state.speed;
  SIZES.forEach(describeSize);
  for (const key of [...SWITCHES, ...VIEWS]) $(key).checked = state[key];
  $("ceil_mode").disabled = Boolean(state.output_size);
  $("difference").disabled = !isChanged();
  $("play").textContent = text(state.timer ? "stop" : "play");
  for (const id of ["play", "back", "next"]) $(id).disabled = Boolean(state.problem);
  $("large").ariaPressed = state.large;
  $("restore").hidden = state.edits.length === 0;
  $("pictures").ariaBusy = state.isStale;
}

// What a preset says of the windows: with an output size nothing else matters.
const windowsOf = (s) => (s.output_size ? [s.output_size]
  : [s.pool_size, s.stride || s.pool_size, s.padding, s.dilation, s.ceil_mode]);

// A field. What is being written stays as it is.
function describeSize(key) {
  const input = $(key), isWriting = document.activeElement === input;
  if (!isWriting) input.value = sizeText(state[key]);
  const isWrong = parseSize(key, input.value) === undefined;
  const placeholder = key === "stride" ? sizeText(state.pool_size) : text("off"), hint = text("bad_size");
  Object.assign(input, { placeholder, title: hint, ariaInvalid: isWrong });
  $(`${key}_field`).disabled = key !== "output_size" && Boolean(state.output_size);
  $(`${key}_wrong`).textContent = isWrong ? hint : "";
}

// The field over the selected pixel of a small picture, which takes its numbers, one a channel.
const cellIndex = () => lit.cell[0] * info.width + lit.cell[1];

function placeCell() {
  const field = $("cell"), [row, column] = lit.cell, { scale } = view;
  const isFixed = !isSmall() || state.noise || state.move || state.difference;
  $("editing").hidden = isFixed;
  field.hidden = isFixed || state.selected.name !== "input";
  Object.assign(field.style, { left: `${$("input").offsetLeft + drawnAt(view, 1, column)}px`,
    top: `${drawnAt(view, 0, row)}px`, width: `${scale[1]}px`, height: `${scale[0]}px`,
    fontSize: `${Math.min(24, scale[1] / 2.4)}px` });
  field.ariaLabel = text("at", { row, column });
  if (document.activeElement !== field) fillCell();
}

function fillCell() {
  $("cell").value = pictures.input.planes.map((plane) => plane[cellIndex()]).join(" ");
}

function writeCell(words) {
  const values = words.replaceAll("−", "-").replaceAll(",", ".").trim().split(/\s+/).map(Number);
  const isGood = values.length === info.channels.length && values.every(Number.isFinite);
  $("bad_number").textContent = isGood || !words.trim() ? "" : text("bad_number", { words });
  if (!isGood || !words.trim()) return;
  const index = cellIndex(), others = state.edits.filter(([other]) => other !== index);
  const edits = [...others, [index, ...values]].sort((a, b) => a[0] - b[0]);
  change({ edits }, false); // a letter is no step in the history
}

// Arrow keys take the field to another pixel, as in a table.
function onCellKey(event) {
  if (event.key === "Escape") event.target.blur();
  if (!event.key.startsWith("Arrow")) return;
  onKey("input", event);
  fillCell();
  event.target.select();
}
