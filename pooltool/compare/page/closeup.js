// What is selected, enlarged: a part of the four pictures around it, with a line from the window to
// its results; and the window's numbers.

let closeUp = null; // the place of the part, the same in all four

function drawCloseUp() {
  const strip = $("strip"), side = strip.clientWidth / (strip.clientWidth < 640 ? 2 : 4) - 18;
  const most = [Math.min(side, 250), side], { low: start, lengths } = view;
  const unit = Math.max(...layout.map(({ pitch, windows }, k) => { // a result, or a large window
    const { start: first, end } = windows[lit.shown ? lit.shown[k] : 0];
    return Math.max(pitch, (end - first) / 3);
  }));
  const fitting = Math.min(...AXES.map((k) => most[k] / lengths[k]));
  const scale = Math.min(44, Math.max(most[0] / 8 / unit, fitting));
  const seen = AXES.map((k) => Math.min(most[k] / scale, lengths[k]));
  const low = AXES.map((k) => Math.max(start[k],
    Math.min(state.selected.at[k] - seen[k] / 2, start[k] + lengths[k] - seen[k])));
  closeUp = { size: seen.map((length) => length * scale), low, scale: [scale, scale] };
  const [from, ...results] = NAMES.map((name) => {
    const canvas = $(`${name}_part`), [x, y, , height] = drawPart(canvas, name, closeUp).at(-1) || [];
    const [left, top] = [canvas.offsetLeft + x, canvas.offsetTop + y];
    return { left, top, bottom: top + height };
  });
  const context = sized($("lines"), [strip.clientHeight, strip.clientWidth]);
  const lane = $("input_part").offsetTop + closeUp.size[0] + 5;
  results.forEach(({ left, top, bottom }, i) => {
    const turn = lane + 8 * i, end = top > lane ? top : bottom; // NaN where nothing is selected
    outline(context, new Path2D(`M ${from.left} ${turn} H ${left} V ${end}`), inks[METHODS[i]]);
    outline(context, new Path2D(`M ${from.left} ${from.bottom} V ${turn}`), inks.input);
  });
}

// The numbers of the window that is shown in channel c: its pixels, who won, and the mean as a sum.
function channelCard(c) {
  const plane = pictures.input.planes[c], hidden = isHidden("max"), winners = {};
  const [rows, columns] = AXES.map((k) => tapsOf(layout[k], lit.shown[k]));
  const valueAt = (y, x) => plane[y * info.width + x] + 0; // + 0 makes 0 of -0
  const lines = METHODS.map((name) => {
    const result = pictures[name].planes[c][lit.shown[0] * layout[1].count + lit.shown[1]];
    const won = name === "avg" ? null : firstPlace(plane, rows, columns, result);
    const words = won ? text("at", { row: won[0], column: won[1] })
      : meanText(rows, columns, valueAt, result);
    winners[name] = won;
    return make("p", { className: name }, make("b", text(name)), " ",
      make("strong", hidden ? "?" : number(result)), " ", make("span", hidden ? "" : words));
  });
  const heading = make("h3", { textContent: channelName(c), style: `--own: ${info.channels[c]}` });
  return make("article", {}, heading, ...windowPicture(c, hidden ? {} : winners), ...lines);
}

// [row, column] where a value stands first.
function firstPlace(plane, rows, columns, value) {
  for (const y of rows) {
    const row = plane.subarray(y * info.width, (y + 1) * info.width);
    if (!row.includes(value)) continue; // which is fast
    const x = columns.find((column) => row[column] === value || Object.is(row[column], value));
    if (x !== undefined) return [y, x];
  }
  return null;
}

// The window that is shown in channel c, with the winners framed; nothing of a large window.
function windowPicture(c, winners) {
  const spans = layout.map(({ windows }, k) => windows[lit.shown[k]]), edge = 4;
  const lengths = spans.map((span) => span.end - span.start);
  const side = Math.min(56, 240 / Math.max(...lengths)), size = lengths.map((n) => n * side + 2 * edge);
  if (side < 24) return [];
  const canvas = make("canvas", { ariaHidden: "true" }); // told beside it
  const low = spans.map(({ start }) => start - edge / side), context = canvas.getContext("2d");
  drawPart(canvas, "input", { size, low, scale: [side, side] }, c);
  for (const name of METHODS.filter((key) => winners[key])) {
    const inset = name === "min" && same(winners.min, winners.max) ? 5 : 1, frame = new Path2D();
    const [y, x] = winners[name].map((position, k) => (position - low[k]) * side + inset);
    frame.rect(x, y, side - 2 * inset, side - 2 * inset);
    outline(context, frame, inks[name]);
  }
  return [canvas];
}
