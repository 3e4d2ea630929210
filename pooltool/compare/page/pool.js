"use strict";
// Max, min and average pooling by the rules of pooltool/geometry.py. A test compares this file with
// the package's results. `settings` holds, each [rows, columns]: pool_size, stride, dilation, padding
// (or "same") and output_size (adaptive windows, or null); ceil_mode and count_include_pad.

const MOST_WINDOWS = 3e6, MOST_ALONG = 16000; // what a browser has memory and canvases for
const METHODS = ["max", "min", "avg"], NAMES = ["input", ...METHODS];

// Lay windows along `size` pixels; k is 0 for rows, 1 for columns. Window i holds the pixels
// `first`, `first + step`, ..., `taken` of them; of its `length` taps, `counted` lie in image or
// padding. `uncovered` are the pixels in no window. Results are drawn around the centers of their
// windows: from `origin` on, one every `pitch` pixels. Throws {reason, ...} where windows cannot lie so.
function lay(size, settings, k) {
  const { ceil, floor, max, min } = Math, { output_size: adaptive, padding, ceil_mode } = settings;
  const stride = settings.stride[k], step = adaptive ? 1 : settings.dilation[k];
  const extent = step * (settings.pool_size[k] - 1) + 1;
  let before = 0, after = 0, count, dropped = false;
  if (adaptive) {
    count = adaptive[k];
  } else if (padding === "same") {
    count = ceil(size / stride);
    const total = max((count - 1) * stride + extent - size, 0);
    [before, after] = [floor(total / 2), ceil(total / 2)];
  } else {
    before = after = padding[k];
    const steps = (size + before + after - extent) / stride;
    count = (ceil_mode ? ceil(steps) : floor(steps)) + 1;
    dropped = ceil_mode && count > 1 && (count - 1) * stride >= size + before;
    if (dropped) count -= 1; // it would start in the padding after the image
  }
  if (count < 1) throw { reason: "no_fit", k, extent, room: size + before + after };
  if (count > MOST_ALONG) throw { reason: "too_many", k };
  const held = new Uint8Array(size);
  const windows = Array.from({ length: count }, (_, i) => {
    const start = adaptive ? floor(i * size / count) : i * stride - before;
    const length = adaptive ? ceil((i + 1) * size / count) - start : settings.pool_size[k];
    const tapsBelow = (end) => max(0, min(length, ceil((end - start) / step)));
    const skipped = tapsBelow(0), taken = tapsBelow(size) - skipped;
    if (taken < 1) throw { reason: "no_pixel", k };
    const first = start + skipped * step, end = start + step * (length - 1) + 1;
    for (let tap = 0; tap < taken; tap++) held[first + tap * step] = 1;
    return { start, end, length, first, taken, counted: tapsBelow(size + after) - tapsBelow(-before) };
  });
  const pitch = adaptive ? size / count : count > 1 ? stride : extent;
  const origin = adaptive ? 0 : windows[0].start + (extent - pitch) / 2;
  const uncovered = [...held.keys()].filter((i) => !held[i]);
  return { size, count, step, before, after, dropped, windows, uncovered, origin, pitch };
}

// The two axes of windows over height x width pixels.
function layOver(height, width, settings) {
  const axes = [lay(height, settings, 0), lay(width, settings, 1)];
  if (axes[0].count * axes[1].count > MOST_WINDOWS) throw { reason: "too_many", k: 0 };
  return axes;
}

// Pool one channel of values in reading order by one method.
function poolBy(method, values, [rows, columns], countPadding) {
  const pooled = combineAlong(columns, combineAlong(rows, values, method), method);
  if (method !== "avg") return pooled;
  const by = countPadding ? "counted" : "taken";
  let to = 0;
  for (const row of rows.windows) {
    for (const column of columns.windows) pooled[to++] /= row[by] * column[by];
  }
  return pooled;
}

// One function for all, which a browser compiles better than three.
function combine(method, a, b) {
  if (method === "avg") return a + b;
  return method === "max" ? Math.max(a, b) : Math.min(a, b);
}

// (axis.size, others) values, combined within each window -> (others, axis.count).
function combineAlong({ count, size, step, windows }, values, method) {
  const others = values.length / size, out = new Float64Array(others * count);
  for (let i = 0; i < count; i++) {
    const { first, taken } = windows[i], stride = step * others;
    for (let k = 0; k < others; k++) {
      const from = first * others + k, end = from + taken * stride;
      let combined = values[from];
      for (let at = from + stride; at < end; at += stride) {
        combined = combine(method, combined, values[at]);
      }
      out[k * count + i] = combined;
    }
  }
  return out;
}
